import type { Logger } from 'pino'
import type { Seq } from '../model/cursor.ts'
import type { AuditStore } from './audit-store.ts'
import type { ClockStore } from './clock-store.ts'
import type { ConsumerStore } from './consumer-store.ts'
import type { DeliveryStore } from './delivery-store.ts'
import type { GatewayStore } from './gateway-store.ts'
import type { Damaged, LogStore } from './log-store.ts'
import type { PeerStore } from './peer-store.ts'
import type { RecordStore } from './record-store.ts'
import type { SessionStore } from './session-store.ts'
import type { TokenChange, TokenStore } from './token-store.ts'
import type { TopicStore } from './topic-store.ts'
import type { WebhookStore } from './webhook-store.ts'

/**
 * The database: the log of messages, topics, peers and the rest of the persistent state. One contract;
 * test/compliance/store.ts tests each sentence of it.
 *
 * A write that was acknowledged survives a crash of the process and of the machine. A rejected write changed nothing.
 * When the database can't be reached, is full or is locked, calls reject with StoreUnavailable, and everything works
 * again once it is back. DatabaseFull, DatabaseReadOnly, DatabaseGone and DatabaseDamaged are its named cases. On a
 * full disk, deletions and small changes use a reserve where there is one (SQLite).
 *
 * Times are milliseconds since 1970. Times that decide what expires (when data was stored, seen, queued or opened, and
 * queries by such a time) are *age time* (src/clock), which no clock step moves. `receivedAt`, and the times that
 * clients set or see of tokens, peers and gateways, are wall time.
 */
export interface Store extends AsyncDisposable {
  /** Opens the database and applies missing migrations. A failed start leaves nothing open. */
  start(): Promise<void>
  /** Idempotent. */
  stop(): Promise<void>

  readonly log: LogStore
  readonly topics: TopicStore
  readonly peers: PeerStore
  readonly records: RecordStore
  readonly gateways: GatewayStore
  readonly tokens: TokenStore
  readonly sessions: SessionStore
  readonly audit: AuditStore
  readonly deliveries: DeliveryStore
  readonly consumers: ConsumerStore
  readonly webhooks: WebhookStore
  readonly clock: ClockStore

  /**
   * Tells the listener what other gateways changed in this database. Changes are hints: they come soon, and may come
   * without cause. After the notification channel was broken, `everything` follows. Returns a function that stops it.
   */
  listen(listener: (change: StoreChange) => void): () => void
  /** Tells the listener of messages that this process finds damaged. Returns a function that stops it. */
  watchDamage(listener: (damaged: Damaged[]) => void): () => void
  /** Whether any call was rejected with DatabaseDamaged since the process started. */
  isDamaged(): boolean

  /**
   * Checks that the open files are still where they were opened. Does not query the database.
   * @throws DatabaseGone when one was deleted or replaced; from then on writes are refused with it
   */
  check(): void
}

export interface StoreComponents {
  logger: Logger
  /** The disk has not kept what was written, and only a new start finds out what it has: this process must end. */
  onLost?(reason: 'disk_failed'): void
}

/** `log`: messages were appended. `identity`: another gateway has taken this one's key. */
export type StoreChange =
  | { kind: 'log' | 'topics' | 'peers' | 'epoch' | 'identity' | 'everything' }
  | ({ kind: 'tokens' } & TokenChange)
  | { kind: 'pruned'; topic: string; through: Seq; pruneCount: number }
  | { kind: 'deleted'; seq: Seq }
