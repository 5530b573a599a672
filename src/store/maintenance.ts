import { pino } from 'pino'
import { createStore } from './create-store.ts'
import { isPostgres, sqlitePath } from './database-url.ts'
import { beginPostgresEpoch } from './postgres/begin-epoch.ts'

export { backUp, restore } from './sqlite/backup.ts'

import { beginSqliteEpoch } from './sqlite/settle-epoch.ts'

/**
 * Begins a new epoch for a database that no gateway uses: older cursors are refused with a named error. Returns the
 * epoch.
 */
export async function beginEpoch(url: string): Promise<string> {
  return isPostgres(url) ? await beginPostgresEpoch(url) : beginSqliteEpoch(sqlitePath(url))
}

/**
 * Applies missing migrations; gateways may be running, because each release also runs on the schema of the next one.
 */
export async function migrate(url: string, servedMarkFile: string): Promise<void> {
  await using store = await createStore({ url, servedMarkFile, migrate: true }, { logger: pino({ level: 'silent' }) })
  await store.start()
}
