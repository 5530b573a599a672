import { existsSync } from 'node:fs'
import { copyFile, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { makeDurableDirectory, syncDirectory } from '../../lib/durable-directory.ts'
import { StartupError } from '../../lib/startup-error.ts'

/** A copy of a database that may be in use. @throws StartupError */
export async function backUp(from: string, to: string): Promise<void> {
  if (!existsSync(from)) throw new StartupError(`There is no database at ${from}.`)
  if (existsSync(to)) throw new StartupError(`${to} is there already; a backup overwrites nothing.`)
  const database = new DatabaseSync(from, { readOnly: true })
  try {
    await backup(database, to)
  } finally {
    database.close()
  }
}

/**
 * Puts a copy in the place of a database: whole or not at all, also when power is lost, and nothing of the one before is left beside it.
 * A restore that was interrupted may leave that one without its WAL. @throws StartupError
 */
export async function restore(from: string, to: string): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true })
  try {
    const [result] = source.prepare('PRAGMA integrity_check').all()
    if (result?.['integrity_check'] !== 'ok') throw new StartupError(`${from} is damaged: ${JSON.stringify(result)}`)
    source.prepare('SELECT "epoch" FROM "Log"').get()
  } finally {
    source.close()
  }
  makeDurableDirectory(dirname(to))
  const incoming = `${to}.incoming`
  await copyFile(from, incoming)
  await syncFile(incoming)
  for (const suffix of ['-wal', '-shm']) await rm(`${to}${suffix}`, { force: true })
  // Before the new database has its name: a loss of power must not put the old WAL back beside it.
  syncDirectory(dirname(to))
  await rename(incoming, to)
  syncDirectory(dirname(to))
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
