import { join } from 'node:path'
import { createSqliteStore, type SqliteStoreComponents } from '../../src/store/sqlite/store.ts'
import type { Store } from '../../src/store/store.ts'
import { silentLog } from '../fixtures/log.ts'

/** Where a SQLite store of a test keeps its files. */
export function sqlitePaths(directory: string) {
  return { path: join(directory, 'peergate.db'), servedMarkFile: join(directory, 'served') }
}

export function sqliteStore(directory: string, options: { migrate?: boolean } & Partial<SqliteStoreComponents> = {}): Store {
  const { migrate = true, ...components } = options
  return createSqliteStore({ ...sqlitePaths(directory), migrate }, { logger: silentLog, ...components })
}
