import { dirname, join } from 'node:path'
import { packageRoot } from '../../lib/package-root.ts'
import { makeDirectory } from '../../lib/startup-error.ts'
import { PrismaClient } from '../generated/client.ts'
import type { LogStore } from '../log-store.ts'
import { createDamageNews, type DamageNews } from '../shared/damage.ts'
import { createDeliveryStore } from '../shared/deliveries.ts'
import { everyCall } from '../shared/every-call.ts'
import { type FilesInPlace, watchFiles } from '../shared/files-in-place.ts'
import { createGatewayStore } from '../shared/gateways.ts'
import { migrate } from '../shared/migrate.ts'
import { noticing } from '../shared/noticing.ts'
import { createPeerStore } from '../shared/peers.ts'
import { openServedMarks } from '../shared/served-mark.ts'
import { createSessionStore } from '../shared/sessions.ts'
import { createAuditStore, createTokenStore } from '../shared/tokens.ts'
import { createTopicStore } from '../shared/topics.ts'
import { attemptAsync } from '../shared/unavailable.ts'
import { createWebhookStore } from '../shared/webhooks.ts'
import { whileOpen } from '../shared/while-open.ts'
import { createWhileStarted } from '../shared/while-started.ts'
import type { Store, StoreComponents } from '../store.ts'
import { createSqliteAdapter, turn, type WritePath } from './adapter.ts'
import { changePeers, forgetUnseenPeers } from './change-peers.ts'
import { createCheckpointer } from './checkpointer.ts'
import { createClockStore } from './clock.ts'
import { createSqliteConsumers } from './consumers.ts'
import { openSqliteDatabase, type SqliteDatabase } from './database.ts'
import { createDiskRoom, type DiskRoom, makeRoomToOpen, writeReserve } from './disk-room.ts'
import { createSqliteLog } from './log.ts'
import { createRecordStore } from './records.ts'
import { settleEpoch } from './settle-epoch.ts'
import { createTokenChanges } from './token-changes.ts'
import { createWalSync, type WalSync, type WalSyncComponents } from './wal-sync.ts'

export interface SqliteStoreInit {
  path: string
  servedMarkFile: string
  migrate: boolean
}

export type SqliteStoreComponents = StoreComponents & Pick<WalSyncComponents, 'forceWal'>

/** Resources that are open between start and stop. */
interface Open {
  sync: WalSync
  writer: SqliteDatabase
  reader: SqliteDatabase
  prisma: PrismaClient
  log: LogStore
  room: DiskRoom
  check(): void
  close(): Promise<void>
}

const migrations = join(packageRoot, 'prisma/sqlite/migrations')

/**
 * The Store contract on one SQLite file. The road goes through the driver, with one writer and one reader. The rest
 * goes through Prisma, on connections of its own and one statement at a time (see adapter.ts), or, where a transaction
 * is needed, through the writer.
 */
export function createSqliteStore(init: SqliteStoreInit, components: SqliteStoreComponents): Store {
  const damage = createDamageNews(components)
  const { start, stop, opened } = createWhileStarted({ damage, openAll: () => openAll(init, { ...components, damage }) })
  const deliveries = createDeliveryStore({ prisma: () => opened().prisma, turn })

  const store: Store = {
    start,
    stop,
    [Symbol.asyncDispose]: stop,
    log: whileOpen(() => opened().log),
    topics: createTopicStore({ prisma: () => opened().prisma }),
    peers: createPeerStore({
      prisma: () => opened().prisma,
      change: async (edits) => changePeers(opened().writer, edits),
      forgetUnseen: async (query) => forgetUnseenPeers(opened().writer, query),
    }),
    records: createRecordStore({ writer: () => opened().writer, reader: () => opened().reader }),
    tokens: createTokenStore({ prisma: () => opened().prisma, changes: createTokenChanges({ writer: () => opened().writer }) }),
    sessions: createSessionStore({ prisma: () => opened().prisma }),
    audit: createAuditStore({ prisma: () => opened().prisma }),
    deliveries: {
      ...deliveries,
      async add(delivery, since) {
        opened().room.check()
        return await deliveries.add(delivery, since)
      },
    },
    consumers: createSqliteConsumers({ writer: () => opened().writer, reader: () => opened().reader }),
    webhooks: createWebhookStore({ prisma: () => opened().prisma, turn }),
    clock: createClockStore({ writer: () => opened().writer, reader: () => opened().reader }),
    // The key's state file holds the lock, and no other process uses the database.
    gateways: createGatewayStore({ prisma: () => opened().prisma, claim: async () => true }),
    listen: () => () => undefined,
    check: () => opened().check(),
    watchDamage: (listener) => damage.watch(listener),
    isDamaged: () => damage.isBroken,
  }
  const durable = everyCall(store, async (call) => {
    const { sync } = opened()
    const answer = await call()
    await sync.reached()
    return answer
  })
  return noticing(durable, (error) => damage.failed(error))
}

async function openAll(init: SqliteStoreInit, components: SqliteStoreComponents & { damage: DamageNews }): Promise<Open> {
  const { logger, damage, forceWal, onLost = () => undefined } = components
  await using resources = new AsyncDisposableStack()
  makeDirectory(dirname(init.path), 'DATABASE_URL')
  const tight = makeRoomToOpen(init.path)
  const adapter = createSqliteAdapter(init.path)
  const applied = await attemptAsync(() =>
    migrate(
      { directory: migrations, apply: init.migrate },
      { adapter, applied: async () => appliedMigrations(init.path), begin: 'BEGIN IMMEDIATE' },
    ),
  )
  if (applied.length > 0) logger.info({ applied }, 'applied database migrations')
  // Runs after everything is closed, when the WAL's space is free.
  resources.defer(() => writeReserve(init.path))
  const sync = createWalSync(init.path, {
    forceWal,
    onSynced: () => checkpointer.look(),
    onFailed(error) {
      logger.fatal({ err: error }, 'the disk of the database has failed; acknowledged messages are safe')
      onLost('disk_failed')
    },
  })
  const writer = resources.adopt(openSqliteDatabase(init.path, { queryOnly: false, committed: sync.committed }), (database) =>
    database.close(),
  )
  const reader = resources.adopt(openSqliteDatabase(init.path, { queryOnly: true }), (database) => database.close())
  // While the WAL is there: the last connection that is closed deletes it.
  resources.defer(() => sync.close())
  const room = createDiskRoom({ path: init.path, tight }, { writer, logger })
  const checkpointer = resources.adopt(createCheckpointer({ path: init.path, pages: room.walPages / 2 }, { writer, logger }), (open) =>
    open.close(),
  )
  const writes: WritePath = {
    committed: sync.committed,
    async guard(statement) {
      files.check()
      return await room.writeAsync(statement)
    },
  }
  const prisma = resources.adopt(new PrismaClient({ adapter: createSqliteAdapter(init.path, writes) }), (client) => client.$disconnect())
  const served = resources.adopt(openServedMarks(init.servedMarkFile), (marks) => marks.close())
  const epoch = settleEpoch({ writer, served, logger })
  const files = watchFiles([init.path, `${init.path}-wal`, init.servedMarkFile])
  const messages = resources.adopt(createSqliteLog({ epoch }, { writer, reader, served, files, room, sync, damage, logger }), (open) =>
    open.close(),
  )
  await sync.reached()
  const owned = resources.move()
  return {
    sync,
    writer: guarded(writer, { files, room }),
    reader,
    prisma,
    log: messages,
    room,
    check: () => files.check(),
    close: () => owned.disposeAsync(),
  }
}

/** The writer, which refuses writes when files are gone and makes space on a full disk. */
function guarded(writer: SqliteDatabase, { files, room }: { files: FilesInPlace; room: DiskRoom }): SqliteDatabase {
  /** Space is made between transactions only. */
  let isInTransaction = false

  function guard<Result>(work: () => Result): Result {
    files.check()
    return room.write(work)
  }

  return {
    ...writer,
    run: (sql, ...values) => (isInTransaction ? writer.run(sql, ...values) : guard(() => writer.run(sql, ...values))),
    transaction(work) {
      return guard(() => {
        isInTransaction = true
        try {
          return writer.transaction(work)
        } finally {
          isInTransaction = false
        }
      })
    },
  }
}

/** Reads on a connection that is closed before migrating: Prisma's schema engine locks the whole database. */
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
