import { AsyncLocalStorage } from 'node:async_hooks'
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import { PrismaSqlite } from 'prisma-adapter-sqlite'
import type { Turn } from '../shared/models.ts'
import { busyTimeoutMs, pragmas, type Synchronous } from './database.ts'

/** Wraps a statement that may write. */
export type WriteGuard = <Result>(statement: () => Promise<Result>) => Promise<Result>

/** The `synchronous` that the statements of an asynchronous context need. Default: `FULL`. */
const needed = new AsyncLocalStorage<Synchronous>()

/** The commit of a statement within it is not on disk when it returns. */
export const turn: Turn = (statement) => needed.run('NORMAL', async () => await statement())

/**
 * Prisma's adapter for the file, with the pragmas of every connection, and without transactions: Prisma would hold one
 * across turns of the event loop, and the writer, which waits synchronously, would block the process. Transactions go
 * through the driver. A statement runs within one turn of the event loop, so each has the `synchronous` that it needs.
 */
export function createSqliteAdapter(path: string, { guard }: { guard?: WriteGuard } = {}): SqlMigrationAwareDriverAdapterFactory {
  const factory = new PrismaSqlite({ url: `file:${path}`, timeout: busyTimeoutMs })

  async function prepared(connection: SqlDriverAdapter): Promise<SqlDriverAdapter> {
    await connection.executeScript(pragmas('FULL'))
    connection.startTransaction = async () => {
      throw new Error('Prisma must not hold a transaction here: it would lock the log out (docs/architecture.md, Database)')
    }
    if (guard !== undefined) {
      const { queryRaw, executeRaw } = connection
      let inForce: Synchronous = 'FULL'
      /** Runs a statement that may write, which begins before this returns. */
      const write = async <Result>(statement: () => Promise<Result>): Promise<Result> => {
        const synchronous = needed.getStore() ?? 'FULL'
        if (synchronous !== inForce) connection.executeScript(`PRAGMA synchronous = ${synchronous}`)
        inForce = synchronous
        return await statement()
      }
      // With `RETURNING`, Prisma queries the rows of a write.
      connection.queryRaw = (query) =>
        /^\s*SELECT\b/i.test(query.sql) ? queryRaw.call(connection, query) : guard(() => write(() => queryRaw.call(connection, query)))
      connection.executeRaw = (query) => guard(() => write(() => executeRaw.call(connection, query)))
    }
    return connection
  }

  return {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: async () => await prepared(await factory.connect()),
    connectToShadowDb: () => factory.connectToShadowDb(),
  }
}
