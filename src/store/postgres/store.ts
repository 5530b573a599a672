import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { PrismaPg } from '@prisma/adapter-pg'
import type { Logger } from 'pino'
import { packageRoot } from '../../lib/package-root.ts'
import { createWatchers } from '../../lib/watchers.ts'
import { getPrismaClientClass } from '../generated/internal/postgresql-class.ts'
import { createDamageNews, type DamageNews } from '../shared/damage.ts'
import { createDeliveryStore } from '../shared/deliveries.ts'
import { watchFiles } from '../shared/files-in-place.ts'
import { createGatewayStore } from '../shared/gateways.ts'
import { migrate } from '../shared/migrate.ts'
import type { Models } from '../shared/models.ts'
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
import type { Store, StoreChange } from '../store.ts'
import { changePeers, forgetUnseenPeers } from './change-peers.ts'
import { createClockStore } from './clock.ts'
import { createPostgresConsumers } from './consumers.ts'
import { connectionOptions, connectionSeconds, openPostgresDatabase, type PostgresDatabase } from './database.ts'
import { createListener, type Listener } from './listener.ts'
import { createPostgresLog, type PostgresLog } from './log.ts'
import { createRecordStore } from './records.ts'
import { createTokenChanges } from './token-changes.ts'

/** Typed as SQLite's client: the models are the same. */
const PostgresClient = getPrismaClientClass()

export interface PostgresStoreInit {
  url: string
  servedMarkFile: string
  migrate: boolean
}

interface Open {
  database: PostgresDatabase
  listener: Listener
  models: Models
  log: PostgresLog
  check(): void
  close(): Promise<void>
}

const migrations = join(packageRoot, 'prisma/postgresql/migrations')
const maxPrismaConnections = 4

/**
 * The Store contract on a PostgreSQL database, which several gateways may share. The road goes through the driver. The
 * rest goes through Prisma, or, where a transaction is needed, through the driver.
 */
export function createPostgresStore(init: PostgresStoreInit, components: { logger: Logger }): Store {
  const watchers = createWatchers<[change: StoreChange]>()
  const damage = createDamageNews(components)
  /** Identifies this process to the other gateways. */
  const origin = randomUUID()
  const started = createWhileStarted<Open>({
    damage,
    openAll: () => openAll({ ...init, origin }, { logger: components.logger, damage, onChange }),
  })
  const { start, stop, opened } = started

  function emit(change: StoreChange): void {
    watchers.tell(change)
  }

  /** The log may have been replaced while the database was away, or by another gateway. */
  async function onChange(change: StoreChange): Promise<void> {
    const mayBeOther = change.kind === 'everything' || change.kind === 'epoch'
    emit(mayBeOther && started.isOpen && (await opened().log.settle()) ? { kind: 'epoch' } : change)
  }

  async function tellAfter<Result>(kind: 'topics' | 'peers', work: Promise<Result>): Promise<Result> {
    const result = await work
    await opened().listener.tell(kind)
    return result
  }

  async function tellIf(kind: 'topics', hasChanged: boolean): Promise<boolean> {
    if (hasChanged) await opened().listener.tell(kind)
    return hasChanged
  }

  const topics = createTopicStore({ prisma: () => opened().models })
  const peers = createPeerStore({
    prisma: () => opened().models,
    change: (edits) => changePeers(opened().database, edits),
    forgetUnseen: (query) => forgetUnseenPeers(opened().database, query),
  })

  const changes = createTokenChanges({ origin }, { database: () => opened().database })
  const tokens = createTokenStore({ prisma: () => opened().models, changes })
  const sessions = createSessionStore({ prisma: () => opened().models })

  const store: Store = {
    start,
    stop,
    [Symbol.asyncDispose]: stop,
    log: whileOpen(() => opened().log),
    topics: {
      ...topics,
      // Other gateways need not be told of joins of a topic that is already joined.
      join: async (topic, at, by) => await tellIf('topics', await topics.join(topic, at, by)),
      giveUp: async (which) => await tellIf('topics', await topics.giveUp(which)),
      leave: (topic) => tellAfter('topics', topics.leave(topic)),
    },
    peers: {
      ...peers,
      annotate: (peerId, annotation) => tellAfter('peers', peers.annotate(peerId, annotation)),
      forget: (peerId) => tellAfter('peers', peers.forget(peerId)),
    },
    records: createRecordStore({ database: () => opened().database }),
    tokens,
    sessions: { ...sessions, remove: changes.removeSession },
    audit: createAuditStore({ prisma: () => opened().models }),
    deliveries: createDeliveryStore({ prisma: () => opened().models, turn: async (statement) => await statement() }),
    consumers: createPostgresConsumers({ database: () => opened().database }),
    webhooks: createWebhookStore({ prisma: () => opened().models, turn: async (statement) => await statement() }),
    clock: createClockStore({ database: () => opened().database }),
    gateways: createGatewayStore({ prisma: () => opened().models, claim: (peerId) => opened().listener.claim(peerId) }),
    listen: watchers.watch,
    check: () => opened().check(),
    watchDamage: (listener) => damage.watch(listener),
    isDamaged: () => damage.isBroken,
  }
  return noticing(store, (error) => damage.failed(error))
}

async function openAll(
  init: PostgresStoreInit & { origin: string },
  components: { logger: Logger; damage: DamageNews; onChange(change: StoreChange): Promise<void> },
): Promise<Open> {
  const { logger, damage, onChange } = components
  await using resources = new AsyncDisposableStack()
  const database = resources.adopt(openPostgresDatabase(init.url, { logger }), (open) => open.close())
  const applied = await attemptAsync(() =>
    migrate(
      { directory: migrations, apply: init.migrate },
      {
        adapter: new PrismaPg({ ...connectionOptions(init.url), max: 1 }),
        applied: () => appliedMigrations(database),
        begin: `BEGIN; SELECT pg_advisory_xact_lock(x'50656576'::int, hashtext(current_schema()))`,
      },
    ),
  )
  if (applied.length > 0) logger.info({ applied }, 'applied database migrations')
  const prisma = resources.adopt(
    new PostgresClient({
      adapter: new PrismaPg({ ...connectionOptions(init.url), max: maxPrismaConnections, maxLifetimeSeconds: connectionSeconds }),
    }),
    (client) => client.$disconnect(),
  )
  const served = resources.adopt(openServedMarks(init.servedMarkFile), (marks) => marks.close())
  const files = watchFiles([init.servedMarkFile])
  const messages = resources.adopt(createPostgresLog({ origin: init.origin }, { database, served, files, damage, logger }), (open) =>
    open.close(),
  )
  await messages.settle()
  const listener = resources.adopt(createListener(init, { logger }), (open) => open.stop())
  listener.listen((change) => {
    onChange(change).catch((err: unknown) => logger.warn({ err }, 'could not check which log the database holds'))
  })
  await attemptAsync(() => listener.start())
  const owned = resources.move()
  return { database, listener, models: prisma, log: messages, check: () => files.check(), close: () => owned.disposeAsync() }
}

async function appliedMigrations(database: PostgresDatabase): Promise<Set<string>> {
  const [[table] = []] = await database.read(`SELECT to_regclass('_prisma_migrations')`)
  if (table === null || table === undefined) return new Set()
  const rows = await database.read(
    'SELECT "migration_name" FROM "_prisma_migrations" WHERE "finished_at" IS NOT NULL AND "rolled_back_at" IS NULL',
  )
  return new Set(rows.map(([name]) => String(name)))
}
