import type { Seq } from '../model/cursor.ts'
import type { MessageKind, NewMessage, StoredMessage } from '../model/message.ts'
import type { AddressSource, KnownAddress } from '../model/peer.ts'
import type { Retention } from '../model/retention.ts'
import type { TopicFilter } from '../model/topic.ts'
import type { Registration } from '../model/validator.ts'

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

/** Rows of the log that one step of a scan looks at, at most, matching or not. */
export const scanRows = 2_000

/** The database's clock, and where the log's clock stood last. */
export interface ClockStore {
  read(): Promise<ClockReading>
  /**
   * Puts a checkpoint in the place of the one of generation `after`, 0 for none; answers false when another one is there. Generations of
   * several gateways so follow one upon another.
   */
  save(checkpoint: ClockCheckpoint, after: number): Promise<boolean>
}

export interface ClockReading {
  /** What the database's own clock says; undefined where it has none but that of this process. */
  wall: number | undefined
  checkpoint: ClockCheckpoint | undefined
}

/** An age and a wall time that go together, in milliseconds. */
export interface ClockCheckpoint {
  /** 1 at first, and one more with each step of the wall clock that was adopted. */
  generation: number
  age: number
  wall: number
}

/**
 * Append-only, numbered by the database.
 *
 * Each message has a checksum, which every read verifies, and a sum of its number and times, which everything verifies that decides by these: a
 * message whose time was changed is neither removed nor kept nor passed over for it. A message that does not match them is damaged. It is never returned: the
 * read that finds it removes it from the log, corrects the counters of its topic and notes the damage, in one transaction. From then on its id
 * is unknown, so that it can be appended again; steps that pass its number say so. Damage is forgotten with what is pruned of its topic, and
 * as old ids are. Where a row is found under another number than its own, the read rejects with DatabaseDamaged.
 */
export interface LogStore {
  /**
   * Names the log that cursors belong to: 1–32 letters and digits. Another one is drawn when the log turns out to have lost what was
   * served from it (its newest message is older than the newest that this data directory has served).
   */
  epoch(): Promise<string>
  /**
   * The log's ends, of all messages or of those of the given topics. `tip` is always the number of the newest message of the whole
   * log, 0 when there never was one. `earliest` is the position before the oldest retained message, or noted damage, that matches, `tip` when none is.
   * `prunedThrough` is the number of the newest matching message that was pruned after the step of pruning `prunedSince` (0 by
   * default: ever), 0 when none was; where topics were forgotten that may match, it may be greater (`forgetTopics`). `pruneCount` is the number of
   * the newest step of pruning that removed something.
   */
  position(filter?: TopicFilter, prunedSince?: number): Promise<LogPosition>
  /**
   * Adds messages in one transaction, in the order given, and answers one entry each, in the same order. A message whose id is already
   * there is not stored again: its entry is `known` and names the message that is, or nothing when it was pruned since. Numbers rise
   * in the order given; they are never used twice, not even after the newest messages were deleted. `previousTip` is the tip before
   * the batch, read in the transaction. What idempotency keys publish is noted in the same transaction; messages of a key that has
   * published before are not stored: it is among `takenKeys`, and their entries name no message. A message is stored with the `receivedAt` of
   * the newest before it where its own is less.
   */
  append(messages: NewMessage[], keyed?: KeyedMessages[]): Promise<AppendResult>
  /** Writes a little, as durably as an append, always in the same place; rejects when an append would. */
  tryWrite(): Promise<void>
  /** What was published under an idempotency key that was noted at or after the time given (milliseconds since 1970), or undefined. */
  published(key: string, since: number): Promise<PublishedUnderKey | undefined>
  /** How many idempotency keys are noted that begin with the prefix, which ends in a space; counts no further than `limit`. */
  countKeys(prefix: string, limit: number): Promise<number>
  /** Notes how many peers each message under the key was handed to. May be lost in a crash when it was noted within the last second. */
  noteRecipients(key: string, recipients: number[]): Promise<void>
  /**
   * One step of a scan: messages with `after < seq <= through`, in the order asked, at most `limit` and at most about `maxBytes`
   * of data (but at least one). A step looks at `scanRows` rows at most, so it may end before either is reached: `scanned` is the
   * position up to which everything matching was answered; the scan is over when it equals the far end (`through`, or `after` in
   * descending order, whose steps go down to `scanned` exclusive). `through` defaults to the tip, and one past it counts as the tip.
   * With `prunedSince`, `prunes` tells of each topic of which messages after `after` were pruned after that step of pruning, and of forgotten ones
   * (`forgetTopics`).
   * `damaged` are the messages of its topics that lay in what the step has passed and were found damaged, in its order.
   */
  read(query: LogQuery): Promise<LogStep>
  /**
   * The same without the data, for telling others what is here: a step looks at a bounded number of rows and answers all that match. What
   * other topics hold costs nothing.
   */
  outline(query: OutlineQuery): Promise<LogOutline>
  /** Looks at the messages after a position, at most `limit`, and answers those that are damaged; they are taken out only with `repair`. */
  check(query: { after: Seq; limit: number; repair: boolean }): Promise<LogCheck>
  /** Messages, but no direct ones, that were found damaged and are not known again, by the number that they had, at most `limit`. */
  missing(query: { after: Seq; limit: number }): Promise<Missing[]>
  /** The message with this public id, or undefined. */
  get(id: string): Promise<StoredMessage | undefined>
  /** Those of the ids that are there, in the order of their numbers, at most about `maxBytes` of data (but at least one). */
  find(ids: string[], maxBytes: number): Promise<StoredMessage[]>
  /** Those of the ids that were neither stored, be it pruned since, nor refused. */
  unknown(ids: string[]): Promise<string[]>
  /** Notes, at this time, ids of messages that were not wanted: they are known from now on as those of pruned ones are. */
  refuse(ids: string[], now: number): Promise<void>
  /** The topics, a hundred at most, that hold more than they are to keep. */
  prunable(query: PruneQuery): Promise<string[]>
  /**
   * Removes the oldest messages of a topic, at most `limit`, as far as they are more than the topic is to keep, or whatever there is
   * with `everything`; answers undefined when there was nothing to remove. Their ids stay known, so that none comes back as new.
   */
  prune(query: PruneQuery & { topic: string; limit: number; everything?: boolean }): Promise<Pruned | undefined>
  /**
   * Forgets ids of pruned messages and idempotency keys that are older than the times given, at most `limit` of each; answers how many. Damage is as
   * old as the first sweep that has met it.
   */
  forget(query: { now: number; idsBefore: number; keysBefore: number; limit: number }): Promise<number>
  /**
   * Forgets topics that have no messages and no limits of their own and that nobody has joined, at most `limit`: those whose last message was pruned before
   * `emptyBefore`, and the longest empty of what is more than `maxEmpty`; answers how many. Of all that are forgotten the newest message that was
   * pruned, and the newest step, stay known together. A reader of what is, or was, not remembered is told of pruned messages up to that one: it may
   * be told of more than it missed, never of less.
   */
  forgetTopics(query: ForgetTopicsQuery): Promise<number>
  /** Up to which number the messages of this author were handed to the network; 0 at first. */
  sentThrough(author: string): Promise<Seq>
  /** Notes it. May be lost in a crash when it was noted within the last second: sending again is harmless. Never goes back. */
  markSent(author: string, through: Seq): Promise<void>
}

export interface LogPosition {
  tip: Seq
  earliest: Seq
  prunedThrough: Seq
  pruneCount: number
}

export interface AppendResult {
  previousTip: Seq
  entries: AppendEntry[]
  takenKeys: string[]
}

/** `known` when a message with this id was there before, or its key was taken; `message` is that one, unless it was pruned. */
export type AppendEntry = { message: StoredMessage; known: boolean } | { message: undefined; known: true }

/** Messages of a batch, one behind another, that an idempotency key publishes. */
export interface KeyedMessages {
  key: string
  /** Of what was asked for: the same key with another one is a mistake. */
  fingerprint: Uint8Array
  /** Index in the batch of the first. */
  first: number
  count: number
  /** Milliseconds since 1970; a key that was noted before `since` is taken no more. */
  createdAt: number
  since: number
}

export interface PublishedUnderKey {
  fingerprint: Uint8Array
  items: PublishedItem[]
}

export interface PublishedItem {
  id: string
  topic: string
  seq: Seq
  /** How many peers it was handed to; 0 also when that was lost in a crash. */
  recipients: number
}

export interface PruneQuery {
  /** For topics without limits of their own. */
  defaults: Retention
  /** Age time. */
  now: number
}

export interface ForgetTopicsQuery {
  /** Age time. */
  emptyBefore: number
  maxEmpty: number
  limit: number
}

export interface Pruned {
  /** Number of the newest message removed, and of the step that removed it. */
  through: Seq
  pruneCount: number
  messages: number
  bytes: number
}

export interface LogQuery {
  after: Seq
  through?: Seq
  order: 'asc' | 'desc'
  limit: number
  maxBytes?: number
  topics?: TopicFilter
  kind?: MessageKind
  /** Recipient. */
  to?: string
  /** Author. */
  from?: string
  /** Received at or after, in milliseconds since 1970. */
  since?: number
  /** Received before, in milliseconds since 1970. */
  until?: number
  /** Stored at or after, by age time. */
  storedSince?: number
  /** A step of pruning; the answer then tells what was pruned after it. */
  prunedSince?: number
}

/** Messages of exact topics after a position, stored at or after a time (age time). */
export interface OutlineQuery {
  after: Seq
  topics: string[]
  since: number
}

export interface LogOutline {
  entries: OutlineEntry[]
  /** Messages of the topics that were looked at, those before `since` among them: what the step has cost. */
  looked: number
  /** Up to which number everything was looked at. */
  scanned: Seq
  /** Whether that is the end of the log. */
  caughtUp: boolean
}

export interface OutlineEntry {
  id: string
  topic: string
  /** Of data. */
  bytes: number
  /** When the first gateway on its way here received it; age time. */
  firstSeenAt: number
}

export interface LogStep {
  messages: StoredMessage[]
  scanned: Seq
  prunes?: Prunes
  damaged?: Damaged[]
}

/** A message that was stored and can't be read any more. What is said of it is what the row said. */
export interface Damaged {
  seq: Seq
  id: string
  /** Undefined where no topic has the name that the row says: it may have been of any. */
  topic: string | undefined
}

export interface LogCheck {
  damaged: Damaged[]
  /** Messages that were looked at, up to which number, and whether that is the end of the log. */
  looked: number
  scanned: Seq
  caughtUp: boolean
}

/** A message to be fetched from peers. */
export interface Missing {
  /** The number that it had. */
  seq: Seq
  id: string
  /** Undefined where it may have been of any. */
  topic: string | undefined
  /** When the first gateway on its way here received it; milliseconds since 1970. */
  firstSeenAt: number
}

/** What was pruned of a range: `count` is the number of the newest step of pruning. Of forgotten topics it is not known which they were. */
export interface Prunes {
  count: number
  topics: Array<{ topic: string | undefined; through: Seq }>
}

export interface TopicStore {
  /** Joined topics and topics with messages (but not what direct messages lie in), by name (in the order of their code points), those after the name `after`. */
  list(query: { after?: string; limit: number }): Promise<TopicRecord[]>
  get(topic: string): Promise<TopicRecord | undefined>
  /** Joined topics, by name. */
  joined(): Promise<string[]>
  /**
   * Notes that a client has joined the topic, or uses it again, at this time (milliseconds since 1970); answers false when the topic was joined
   * already, by whomever. What was joined explicitly once stays so. Of a topic that a hundred have joined no more are noted, but for explicit joins.
   */
  join(topic: string, at: number, by: { client: string; explicit: boolean }): Promise<boolean>
  /** Who has joined what, the oldest joins first. */
  joins(): Promise<TopicJoin[]>
  /** Notes that what a client has joined was used at this time. What it has not joined stays so. */
  used(client: string, topics: string[], at: number): Promise<void>
  /**
   * Ends joins that are not explicit: of a client, of a topic, that were not used since a time; all conditions together. A topic that nobody
   * has joined then is no longer joined. Answers whether any topic has changed.
   */
  giveUp(which: { client?: string; topic?: string; usedBefore?: number }): Promise<boolean>
  /** Sets what the topic keeps, joined or not: each field a limit of its own, or null for the default. Fields left out stay. */
  retain(topic: string, retention: Partial<OwnRetention>): Promise<void>
  /** Notes that nobody has joined it any more; answers false when nobody had. Its messages stay. */
  leave(topic: string): Promise<boolean>
}

/** Times in milliseconds since 1970. */
export interface TopicJoin {
  topic: string
  /** `clientKey`; empty where it is not known. */
  client: string
  /** Stays until the topic is left. */
  explicit: boolean
  joinedAt: number
  usedAt: number
}

/** A topic's own limits; null is the default. */
export type OwnRetention = { [Field in keyof Retention]: number | null }

export interface TopicRecord {
  topic: string
  joined: boolean
  /** Since when it has been joined without a break; null when it is not. */
  joinedAt: number | null
  /** Retained messages, and the bytes of their data. */
  messages: number
  bytes: number
  /** Position before the oldest retained message, and number of the newest; both 0 when there is none. */
  earliest: Seq
  latest: Seq
  retention: OwnRetention
}

export interface PeerStore {
  /** By peer id, those after the id `after`. */
  list(query: { after?: string; limit: number; blocked?: boolean; peerIds?: string[] }): Promise<PeerRecord[]>
  get(peerId: string): Promise<PeerRecord | undefined>
  /**
   * Notes what was learnt. A new peer is added; of a known one, agent and protocols are replaced where given, `lastSeen` never goes
   * back, and addresses are joined with those known: the newest 16 stay, and an address keeps the most trusted source it was learnt by
   * (`configured`, `rest`, `mdns`, `learnt`, in this order).
   */
  save(sightings: PeerSighting[]): Promise<void>
  /** Sets what the operator says about a peer, known or not; answers the record. */
  annotate(peerId: string, annotation: { label?: string | null; blocked?: boolean }): Promise<PeerRecord>
  /** Removes the record; answers false when there was none. */
  forget(peerId: string): Promise<boolean>
  /**
   * Forgets peers that are neither labelled nor blocked nor among `keep`, at most `limit`: those that were last seen before `seenBefore` (age time), and
   * the longest unseen of what is more than `max`; answers how many.
   */
  forgetUnseen(query: { seenBefore: number; max: number; keep: string[]; limit: number }): Promise<number>
}

export interface PeerSighting {
  peerId: string
  multiaddrs: string[]
  source: AddressSource
  /** Milliseconds since 1970. */
  seenAt: number
  /** The same in age time; `seenAt` by default. */
  seenAge?: number
  agent?: string
  protocols?: string[]
}

export interface PeerRecord {
  peerId: string
  /** Most recently seen first. */
  addresses: KnownAddress[]
  agent: string | null
  protocols: string[]
  label: string | null
  blocked: boolean
  /** Milliseconds since 1970. */
  firstSeen: number
  lastSeen: number
}

/** Small binary records under string keys: what an engine keeps between starts. */
export interface RecordStore {
  get(key: string): Promise<Uint8Array | undefined>
  /** All puts and deletes, in one transaction; of several for one key the last counts. */
  write(batch: RecordWrite[]): Promise<void>
  /** The records whose key begins with the prefix, by key. */
  list(prefix: string): Promise<Array<{ key: string; value: Uint8Array }>>
}

/** Without a value the record is deleted. */
export interface RecordWrite {
  key: string
  value?: Uint8Array
}

/** The gateways of this database. */
export interface GatewayStore {
  /** Holds the key's peer id for this process, as long as it lives; answers false when another process has it. */
  claim(peerId: string): Promise<boolean>
  /** Notes what a gateway says of itself. */
  note(gateway: GatewayRecord): Promise<void>
  /** Those that were seen at or after an age time, by peer id. */
  list(query: { seenSince: number }): Promise<GatewayRecord[]>
  /** Removes what was not seen since an age time. */
  forget(query: { seenBefore: number }): Promise<void>
}

export interface GatewayRecord {
  peerId: string
  about: {
    engine: string
    version: string
    multiaddrs: string[]
    state: string
    services?: string[] | undefined
    judged?: Registration[] | undefined
  }
  /** Age time, in milliseconds. Each beat has a later one. */
  startedAt: number
  seenAt: number
}

/** Access tokens, by the SHA-256 of their secrets. */
export interface TokenStore {
  /**
   * Adds the token when the check of all that are there allows it, else answers false. Check and change are one step: whatever other calls,
   * processes and gateways do comes before both or after both.
   */
  add(token: TokenRecord, check?: TokenCheck): Promise<boolean>
  find(hash: Uint8Array): Promise<TokenRecord | undefined>
  /** In the order in which they were made. */
  list(): Promise<TokenRecord[]>
  /** Removes the token and the sessions that were opened with it, when the check allows it, as one step. */
  remove(id: string, check?: TokenCheck): Promise<TokenRemoval>
}

/** Whether a change may be made to these tokens, which are all that are there. */
export type TokenCheck = (tokens: TokenRecord[]) => boolean
export type TokenRemoval = 'removed' | 'unknown' | 'refused'

export interface TokenRecord {
  id: string
  name: string
  hash: Uint8Array
  actions: string[]
  /** Patterns. */
  topics: string[]
  /** Milliseconds since 1970. */
  createdAt: number
  expiresAt: number | undefined
}

/** Sessions of browsers. */
export interface SessionStore {
  /**
   * Adds a session. Of one holder the newest `maxOfHolder` stay, the oldest go first. Answers false, and adds nothing, when there are
   * `max` sessions and none of the holder's own goes for it; gateways that add at the same time may each add one more.
   */
  add(session: SessionRecord, limits: { max: number; maxOfHolder: number }): Promise<boolean>
  find(id: string): Promise<SessionRecord | undefined>
  /** Those of the ids that are not there. */
  missing(ids: string[]): Promise<string[]>
  /** Answers false when there was none. */
  remove(id: string): Promise<boolean>
  /** Forgets those that expired before a time, at most `limit`; answers how many. */
  forget(query: { before: number; limit: number }): Promise<number>
}

export interface SessionRecord {
  /** SHA-256 of what its cookie holds, in hex. */
  id: string
  /** Id of the grant that it was opened with. */
  holder: string
  basis: SessionBasis
  /** Milliseconds since 1970. */
  createdAt: number
  expiresAt: number
}

/**
 * What the rights of a session follow from: an access token, by the SHA-256 of its secret in hex; the operator's own token, by a proof
 * that only the cookie can check; or what an identity provider granted a subject.
 */
export type SessionBasis =
  | { kind: 'token'; hash: string }
  | { kind: 'operator'; proof: string }
  | { kind: 'subject'; actions: string[]; topics: TopicFilter }

/** What was done to the gateway itself, and by whom. */
export interface AuditStore {
  note(entry: AuditRecord): Promise<void>
  /** The newest first; those before the id `before`. */
  list(query: { before?: string; limit: number }): Promise<AuditRecord[]>
  /** Forgets what is older, at most `limit`; answers how many. */
  forget(query: { before: number; limit: number }): Promise<number>
}

export interface AuditRecord {
  /** Rises with time. */
  id: string
  /** Milliseconds since 1970. */
  at: number
  /** Of the grant. */
  actor: string
  act: string
  detail: Record<string, unknown>
}

/** Direct messages on their way, and what became of them. Any gateway of the database may send them, one at a time to each recipient. */
export interface DeliveryStore {
  /**
   * Adds a queued delivery, unless its idempotency key has made one at or after `since`: then that one is answered, and `known`. Its
   * recipient is due at once, for its client, when nothing waited for it before.
   */
  add(delivery: NewDelivery, since: number): Promise<{ delivery: DeliveryRecord; fingerprint: Uint8Array | undefined; known: boolean }>
  get(id: string): Promise<DeliveryRecord | undefined>
  /** What an idempotency key has made at or after `since`. */
  underKey(key: string, since: number): Promise<{ delivery: DeliveryRecord; fingerprint: Uint8Array | undefined } | undefined>
  /** How many have an idempotency key that begins with the prefix, which ends in a space, made at or after `since`; counts no further than `limit`. */
  countKeys(prefix: string, since: number, limit: number): Promise<number>
  /**
   * A page in the order of their ids, of those after the id `after`. With `updatedSince` it looks at a bounded number of rows, so it may be
   * short, even empty, before the last one. `next` is where to go on, null on the last page.
   */
  list(query: DeliveryQuery): Promise<{ items: DeliveryRecord[]; next: string | null }>
  /** What is queued, by client. */
  queued(): Promise<QueuedDeliveries[]>
  /** Ends one that is queued; answers false when it is not. */
  end(id: string, end: { state: Exclude<DeliveryState, 'queued'>; lastError?: string; now: number }): Promise<boolean>
  /** Ends, as `expired`, at most `limit` queued ones whose time is over; answers them. */
  expire(query: { now: number; limit: number }): Promise<DeliveryRecord[]>
  /** Clients of which recipients are due that no gateway has at the moment, at most `limit`: in the order of their keys, those after `after` first. */
  clientsDue(query: { now: number; after: string; limit: number }): Promise<string[]>
  /** Takes recipients of a client that are due and that no gateway has at the moment, at most `limit`, until a time. */
  claim(query: { by: string; client: string; now: number; until: number; limit: number }): Promise<string[]>
  /** Takes a recipient for a client, whose ever it was, when it is due and no gateway has it at the moment; answers false when not. */
  claimFor(query: { by: string; client: string; recipient: string; now: number; until: number }): Promise<boolean>
  /** Ends all claims of a gateway: at its start those are of a life that a crash ended. */
  disown(by: string): Promise<void>
  /** Holds a recipient for longer; answers false when another gateway has it. */
  renew(query: { by: string; recipient: string; until: number }): Promise<boolean>
  /**
   * The next ones for a recipient, in order, with what is to be sent, undefined where that is damaged: at most `limit`, and `maxBytes` unless it
   * is one alone.
   */
  next(query: {
    recipient: string
    now: number
    limit: number
    maxBytes: number
  }): Promise<Array<DeliveryRecord & { envelope: Uint8Array | undefined }>>
  /** Looks at queued ones after the id `after`, at most `limit`, and answers the ids of those whose envelope is damaged; `next` is null at the end. */
  check(query: { after: string; limit: number }): Promise<{ damaged: string[]; looked: number; next: string | null }>
  /** Notes that the next one for a recipient was tried in vain, and when to try again; the claim ends. */
  failed(query: { by: string; recipient: string; id: string; lastError: string; dueAt: number; now: number }): Promise<void>
  /** How often in a row the recipient was tried in vain. */
  attempts(recipient: string): Promise<number>
  /** Ends the claim of a recipient for which nothing is queued. */
  release(query: { by: string; recipient: string }): Promise<void>
  /**
   * Takes a recipient for which something is queued, from whichever gateway has it: to be called by the one that has a link to it. Answers
   * whose it is, undefined when nothing is queued.
   */
  take(query: { by: string; recipient: string; until: number }): Promise<string | undefined>
  /** Has every recipient due for which something is queued and that is not; to be called now and then, since a crash may come in between. */
  settle(now: number): Promise<void>
  /** Forgets deliveries that ended before a time, at most `limit`; answers how many. */
  forget(query: { before: number; limit: number }): Promise<number>
}

export type DeliveryState = 'queued' | 'delivered' | 'expired' | 'refused' | 'cancelled'

export interface DeliveryRecord {
  id: string
  messageId: string
  to: string
  state: DeliveryState
  attempts: number
  lastError: string | null
  bytes: number
  /** Milliseconds since 1970. */
  expiresAt: number
  createdAt: number
  updatedAt: number
}

export interface QueuedDeliveries {
  /** `clientKey`; empty where it is not known. */
  client: string
  deliveries: number
  /** Of their envelopes. */
  bytes: number
}

export interface NewDelivery {
  id: string
  messageId: string
  /** Whose it is (`clientKey`). */
  client: string
  to: string
  envelope: Uint8Array
  expiresAt: number
  createdAt: number
  idempotency?: { key: string; fingerprint: Uint8Array } | undefined
}

export interface DeliveryQuery {
  after?: string
  limit: number
  state?: DeliveryState
  to?: string
  /** Milliseconds since 1970. */
  updatedSince?: number
}
