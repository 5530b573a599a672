import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { createSqliteStore } from './prisma-store/sqlite-store.ts'
import type { Store } from './store.ts'

export interface StoreInit {
  /** `file:<path>`, absolute or relative to the working directory. */
  url: string
  /** Where to note, outside the database, how far it was served. */
  servedMarkFile: string
  /** Whether to bring the database up to date at start. */
  migrate: boolean
}

/** The store that the URL asks for; `storeUrlProblem` has found nothing wrong with it. */
export function createStore(init: StoreInit, components: { log: Logger }): Store {
  return createSqliteStore({ ...init, path: sqlitePath(init.url) }, components)
}

/** What is wrong with a database URL, or undefined. */
export function storeUrlProblem(url: string): string | undefined {
  if (url.startsWith('file:')) return undefined
  if (/^postgres(ql)?:/.test(url))
    return 'asks for PostgreSQL, which this version does not have yet; use SQLite, as in file:./data/peergate.db'
  return 'is not a database URL; SQLite is file:<path>, as in file:./data/peergate.db'
}

function sqlitePath(url: string): string {
  return url.startsWith('file://') ? fileURLToPath(url) : resolve(url.slice('file:'.length))
}
