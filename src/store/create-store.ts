import type { Logger } from 'pino'
import { isPostgres, sqlitePath } from './database-url.ts'
import { createPostgresStore } from './postgres/store.ts'
import { databaseStartProblem } from './shared/start-problem.ts'
import { createSqliteStore } from './sqlite/store.ts'
import type { Store } from './store.ts'

export interface StoreInit {
  /** `file:<path>`, absolute or relative to the working directory, or `postgresql://…`. */
  url: string
  /** Where to note, outside the database, how far it was served. */
  servedMarkFile: string
  /** Whether to bring the database up to date at start. */
  migrate: boolean
}

/**
 * The store that the URL asks for; `databaseUrlProblem` has found nothing wrong with it. A start that fails since the database can't be
 * used throws StartupError.
 */
export function createStore(init: StoreInit, components: { logger: Logger }): Store {
  const store = isPostgres(init.url)
    ? createPostgresStore(init, components)
    : createSqliteStore({ ...init, path: sqlitePath(init.url) }, components)
  return {
    ...store,
    async start() {
      try {
        await store.start()
      } catch (error) {
        throw databaseStartProblem(init.url, error)
      }
    },
  }
}
