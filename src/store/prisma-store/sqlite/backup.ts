import { existsSync } from 'node:fs'
import { copyFile, mkdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { StartRefused } from '../../../start-refused.ts'

/** A copy of a database that may be in use. @throws StartRefused */
export async function backUp(from: string, to: string): Promise<void> {
  if (!existsSync(from)) throw new StartRefused(`There is no database at ${from}.`)
  if (existsSync(to)) throw new StartRefused(`${to} is there already; a backup overwrites nothing.`)
  const database = new DatabaseSync(from, { readOnly: true })
  try {
    await backup(database, to)
  } finally {
    database.close()
  }
}

/** Puts a copy in the place of a database: whole or not at all, and nothing of the one before is left beside it. @throws StartRefused */
export async function restore(from: string, to: string): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true })
  try {
    const [result] = source.prepare('PRAGMA integrity_check').all()
    if (result?.['integrity_check'] !== 'ok') throw new StartRefused(`${from} is damaged: ${JSON.stringify(result)}`)
    source.prepare('SELECT "epoch" FROM "Log"').get()
  } finally {
    source.close()
  }
  await mkdir(dirname(to), { recursive: true, mode: 0o700 })
  const incoming = `${to}.incoming`
  await copyFile(from, incoming)
  for (const suffix of ['', '-wal', '-shm']) await rm(`${to}${suffix}`, { force: true })
  await rename(incoming, to)
}
