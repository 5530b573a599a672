import { isPostgres, sqlitePath } from './database-url.ts'
import { databaseStartProblem } from './shared/start-problem.ts'
import type { Store, StoreComponents } from './store.ts'

export interface StoreInit {
  /** `file:<path>`, absolute or relative to the working directory, or `postgresql://…`. */
  url: string
  /** File outside the database that notes how far it was served. */
  servedMarkFile: string
  /** Whether to apply missing migrations at start. */
  migrate: boolean
}

/**
 * Creates the store for a URL that `databaseUrlProblem` accepts, and loads the code of this database only. `start` throws
 * StartupError when the database can't be used.
 */
export async function createStore(init: StoreInit, components: StoreComponents): Promise<Store> {
  const store = isPostgres(init.url) ? await createPostgres(init, components) : await createSqlite(init, components)
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

async function createPostgres(init: StoreInit, components: StoreComponents): Promise<Store> {
  const { createPostgresStore } = await import('./postgres/store.ts')
  return createPostgresStore(init, components)
}

async function createSqlite(init: StoreInit, components: StoreComponents): Promise<Store> {
  const { createSqliteStore } = await import('./sqlite/store.ts')
  return createSqliteStore({ ...init, path: sqlitePath(init.url) }, components)
}
