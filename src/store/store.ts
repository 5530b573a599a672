import type { Seq } from '../model/cursor.ts'
import type { AuditStore } from './audit-store.ts'
import type { ClockStore } from './clock-store.ts'
import type { DeliveryStore } from './delivery-store.ts'
import type { GatewayStore } from './gateway-store.ts'
import type { Damaged, LogStore } from './log-store.ts'
import type { PeerStore } from './peer-store.ts'
import type { RecordStore } from './record-store.ts'
import type { SessionStore } from './session-store.ts'
import type { TokenStore } from './token-store.ts'
import type { TopicStore } from './topic-store.ts'

/**
 * The database: the log of messages, the topics, the peers. One contract; test/compliance/store.ts tests each sentence of it.
 *
 * What a write's promise acknowledged survives a crash of the process and of the machine. A write that rejects changed nothing.
 * A database that can't be reached, is full or is locked rejects with StoreUnavailable, and everything works again when it is back;
 * DatabaseFull, DatabaseReadOnly, DatabaseGone and DatabaseDamaged are the cases of it that have names. On a full disk deletions and small changes find a
 * reserve where there is one (SQLite).
 *
 * Times are milliseconds since 1970. Those by which something ages (what was stored, seen, queued or opened when, and what is then asked for by
 * such a time) are *age time* (src/clock), which no step of a clock moves; `receivedAt` and what clients say or see of tokens, peers and
 * gateways is wall time.
 */
export interface Store extends AsyncDisposable {
  /** Opens the database and brings its schema up to date. A failed start leaves nothing open. */
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
  readonly clock: ClockStore

  /**
   * Has the listener told what other gateways have changed in this database: hints, which come soon and may come without cause. When the
   * way they come by was broken, `everything` follows. Answers a function that ends it.
   */
  listen(listener: (change: StoreChange) => void): () => void
  /** Has the listener told of messages that this process finds damaged. Answers a function that ends it. */
  watchDamage(listener: (damaged: Damaged[]) => void): () => void
  /** Whether anything was rejected with DatabaseDamaged since the start of the process. */
  isDamaged(): boolean

  /**
   * Whether the files that are open are still where they were opened; asks nothing of the database.
   * @throws DatabaseGone when one was deleted or replaced: writes are refused by that from then on
   */
  check(): void
}

/** `log`: messages were appended; `identity`: another gateway has taken the key of this one. */
export type StoreChange =
  | { kind: 'log' | 'topics' | 'peers' | 'tokens' | 'epoch' | 'identity' | 'everything' }
  | { kind: 'pruned'; topic: string; through: Seq; pruneCount: number }
