import type { Logger } from 'pino'
import { isPostgres, sqlitePath } from './database-url.ts'
import { createPostgresStore } from './postgres/store.ts'
import { databaseStartProblem } from './shared/start-problem.ts'
import { createSqliteStore } from './sqlite/store.ts'
import type { Store } from './store.ts'

export interface StoreInit {
  /** `file:<path>`, absolute or relative to the working directory, or `postgresql://…`. */
  url: string
  /** File outside the database that notes how far it was served. */
  servedMarkFile: string
  /** Whether to apply missing migrations at start. */
  migrate: boolean
}

/**
 * Creates the store for a URL that `databaseUrlProblem` accepts. `start` throws StartupError when the database can't be
 * used.
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
