import { pino } from 'pino'
import { createStore } from './create-store.ts'
import { isPostgres, sqlitePath } from './database-url.ts'
import { beginPostgresEpoch } from './postgres/begin-epoch.ts'

export { backUp, restore } from './sqlite/backup.ts'

import { beginSqliteEpoch } from './sqlite/settle-epoch.ts'

/** Has the log of a database that no gateway uses be another one from now on: cursors of before are refused by name. Answers its epoch. */
export async function beginEpoch(url: string): Promise<string> {
  return isPostgres(url) ? await beginPostgresEpoch(url) : beginSqliteEpoch(sqlitePath(url))
}

/** Brings a database up to date, also while gateways run on it: a release runs on the schema of the next one. */
export async function migrate(url: string, servedMarkFile: string): Promise<void> {
  await using store = createStore({ url, servedMarkFile, migrate: true }, { logger: pino({ level: 'silent' }) })
  await store.start()
}
