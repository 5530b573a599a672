import { AsyncLocalStorage } from 'node:async_hooks'
import type { SqlDriverAdapter, SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import { PrismaSqlite } from 'prisma-adapter-sqlite'
import type { Turn } from '../shared/models.ts'
import { busyTimeoutMs, pragmas } from './database.ts'

/** Statements that may write. All values are parameters. */
const writing = /\b(INSERT|UPDATE|DELETE)\b/i

/** What a store has Prisma's writes pass. */
export interface WritePath {
  /** Runs around each statement that may write. */
  guard<Result>(statement: () => Promise<Result>): Promise<Result>
  /** Told of each write that must be on the disk before anything is answered; it is not when it returns. */
  committed(): void
}

/** Whether a power loss may undo what the statements of an asynchronous context write. */
const inTurn = new AsyncLocalStorage<true>()

export const turn: Turn = (statement) => inTurn.run(true, async () => await statement())

/**
 * Prisma's adapter for the file, with the pragmas of every connection, and without transactions: Prisma would hold one
 * across turns of the event loop, and the writer, which waits synchronously, would block the process. Transactions go
 * through the driver.
 * @param writes without it, each write is on the disk when it returns
 */
export function createSqliteAdapter(path: string, writes?: WritePath): SqlMigrationAwareDriverAdapterFactory {
  const factory = new PrismaSqlite({ url: `file:${path}`, timeout: busyTimeoutMs })

  async function prepared(connection: SqlDriverAdapter): Promise<SqlDriverAdapter> {
    await connection.executeScript(pragmas(writes === undefined ? 'FULL' : 'NORMAL'))
    connection.startTransaction = async () => {
      throw new Error('Prisma must not hold a transaction here: it would lock the log out (docs/architecture.md, Database)')
    }
    if (writes !== undefined) {
      const { queryRaw, executeRaw } = connection
      /** A statement is executed, and so committed, before its call returns. */
      const write = async <Result>(statement: () => Promise<Result>): Promise<Result> =>
        await writes.guard(() => {
          const executed = statement()
          if (inTurn.getStore() === undefined) writes.committed()
          return executed
        })
      // With `RETURNING`, Prisma queries the rows of a write.
      connection.queryRaw = (query) =>
        writing.test(query.sql) ? write(() => queryRaw.call(connection, query)) : queryRaw.call(connection, query)
      connection.executeRaw = (query) => write(() => executeRaw.call(connection, query))
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
