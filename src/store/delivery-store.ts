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
