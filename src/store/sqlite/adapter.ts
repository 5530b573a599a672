import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import { PrismaSqlite } from 'prisma-adapter-sqlite'
import { busyTimeoutMs, pragmas, type Synchronous } from './database.ts'

/** Wraps a statement that may write. */
export type WriteGuard = <Result>(statement: () => Promise<Result>) => Promise<Result>

/**
 * Prisma's adapter for the file, with the pragmas of every connection, and without transactions: Prisma would hold one
 * across turns of the event loop, and the writer, which waits synchronously, would block the process. Transactions go
 * through the driver.
 */
export function createSqliteAdapter(
  path: string,
  { synchronous = 'FULL', guard }: { synchronous?: Synchronous; guard?: WriteGuard } = {},
): SqlMigrationAwareDriverAdapterFactory {
  const factory = new PrismaSqlite({ url: `file:${path}`, timeout: busyTimeoutMs })

  async function prepared(connection: SqlDriverAdapter): Promise<SqlDriverAdapter> {
    await connection.executeScript(pragmas(synchronous))
    connection.startTransaction = async () => {
      throw new Error('Prisma must not hold a transaction here: it would lock the log out (docs/architecture.md, Database)')
    }
    if (guard !== undefined) {
      const { queryRaw, executeRaw } = connection
      // With `RETURNING`, Prisma queries the rows of a write.
      connection.queryRaw = (query) =>
        /^\s*SELECT\b/i.test(query.sql) ? queryRaw.call(connection, query) : guard(() => queryRaw.call(connection, query))
      connection.executeRaw = (query) => guard(() => executeRaw.call(connection, query))
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
