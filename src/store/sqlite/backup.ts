import { existsSync } from 'node:fs'
import { copyFile, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { backup, DatabaseSync } from 'node:sqlite'
import { makeDurableDirectory, syncDirectory } from '../../lib/durable-directory.ts'
import { StartupError } from '../../lib/startup-error.ts'

/** Copies a database that may be in use. @throws StartupError */
export async function backUp(from: string, to: string): Promise<void> {
  if (!existsSync(from)) throw new StartupError(`There is no database at ${from}.`)
  if (existsSync(to)) throw new StartupError(`${to} already exists; a backup does not overwrite files.`)
  const database = new DatabaseSync(from, { readOnly: true })
  try {
    await backup(database, to)
  } finally {
    database.close()
  }
}

/**
 * Replaces a database with a copy, atomically even on power loss; no file of the old one is left beside it. An
 * interrupted restore may leave the old database without its WAL. @throws StartupError
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
  // Synced before the new database gets its name: a power loss must not bring the old WAL back beside it.
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
