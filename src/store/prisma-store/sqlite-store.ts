import { fileURLToPath } from 'node:url'
import type { Logger } from 'pino'
import { StoreUnavailable } from '../../errors.ts'
import type { LogStore, Store } from '../store.ts'
import { settleEpoch } from './epoch.ts'
import { PrismaClient } from './generated/sqlite/client.ts'
import { migrate } from './migrate.ts'
import { createPeerStore } from './peers.ts'
import { createRecordStore } from './records.ts'
import { openServedMarks } from './served-mark.ts'
import { createSqliteAdapter } from './sqlite-adapter.ts'
import { openSqliteDatabase, type SqliteDatabase } from './sqlite-database.ts'
import { createSqliteLog } from './sqlite-log.ts'
import { createTopicStore } from './topics.ts'
import { attemptAsync } from './unavailable.ts'

export interface SqliteStoreInit {
  path: string
  servedMarkFile: string
  migrate: boolean
}

/** What is open between start and stop. */
interface Open {
  writer: SqliteDatabase
  reader: SqliteDatabase
  prisma: PrismaClient
  log: LogStore
  close(): Promise<void>
}

const migrations = fileURLToPath(new URL('../../../prisma/sqlite/migrations', import.meta.url))

/**
 * The Store contract on one SQLite file. The road goes through the driver, on a writer and a reader; the rest goes through Prisma, on a
 * connection of its own and a statement at a time (sqlite-adapter.ts says why), or, where it has to be one transaction, through the writer.
 */
export function createSqliteStore(init: SqliteStoreInit, components: { log: Logger }): Store {
  let opening: Promise<Open> | undefined
  let open: Open | undefined

  function opened(): Open {
    if (open === undefined) throw new StoreUnavailable('The database is not open.')
    return open
  }

  const store: Store = {
    async start() {
      opening ??= openAll(init, components.log)
      try {
        open = await opening
      } catch (error) {
        opening = undefined
        throw error
      }
    },
    async stop() {
      const closing = open
      opening = undefined
      open = undefined
      await closing?.close()
    },
    [Symbol.asyncDispose]: () => store.stop(),
    log: whileOpen(() => opened().log),
    topics: createTopicStore({ prisma: () => opened().prisma }),
    peers: createPeerStore({ prisma: () => opened().prisma, writer: () => opened().writer }),
    records: createRecordStore({ writer: () => opened().writer, reader: () => opened().reader }),
  }
  return store
}

async function openAll(init: SqliteStoreInit, log: Logger): Promise<Open> {
  await using resources = new AsyncDisposableStack()
  const adapter = createSqliteAdapter(init.path)
  const applied = await attemptAsync(() =>
    migrate({ directory: migrations, apply: init.migrate }, { adapter, applied: () => appliedMigrations(init.path) }),
  )
  if (applied.length > 0) log.info({ applied }, 'brought the database up to date')
  const writer = resources.adopt(openSqliteDatabase(init.path, { queryOnly: false }), (database) => database.close())
  const reader = resources.adopt(openSqliteDatabase(init.path, { queryOnly: true }), (database) => database.close())
  const prisma = resources.adopt(new PrismaClient({ adapter }), (client) => client.$disconnect())
  const served = resources.adopt(openServedMarks(init.servedMarkFile), (marks) => marks.close())
  const epoch = settleEpoch({ writer, served, log })
  const messages = resources.adopt(createSqliteLog({ epoch }, { writer, reader, served, log }), (open) => open.close())
  const owned = resources.move()
  return { writer, reader, prisma, log: messages, close: () => owned.disposeAsync() }
}

/** The log that is open at the time of each call. */
function whileOpen(log: () => LogStore): LogStore {
  return {
    epoch: async () => await log().epoch(),
    position: async (filter, prunedSince) => await log().position(filter, prunedSince),
    append: async (messages, keyed) => await log().append(messages, keyed),
    published: async (key, since) => await log().published(key, since),
    noteRecipients: async (key, recipients) => await log().noteRecipients(key, recipients),
    read: async (query) => await log().read(query),
    prunable: async (query) => await log().prunable(query),
    prune: async (query) => await log().prune(query),
    forget: async (query) => await log().forget(query),
    get: async (id) => await log().get(id),
    sentThrough: async (author) => await log().sentThrough(author),
    markSent: async (author, through) => await log().markSent(author, through),
  }
}

/** Asked on a connection that is closed before anything is migrated: Prisma's schema engine locks the whole database. */
function appliedMigrations(path: string): Set<string> {
  const database = openSqliteDatabase(path, { queryOnly: false })
  try {
    const table = database.row(`SELECT 1 FROM "sqlite_schema" WHERE "name" = '_prisma_migrations'`)
    if (table === undefined) return new Set()
    const rows = database.rows(
      'SELECT "migration_name" FROM "_prisma_migrations" WHERE "finished_at" IS NOT NULL AND "rolled_back_at" IS NULL',
    )
    return new Set(Array.from(rows, (row) => String(row.migration_name)))
  } finally {
    database.close()
  }
}
