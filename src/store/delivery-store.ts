/**
 * Outgoing direct messages and their outcome. Any gateway of the database may send them, one gateway at a time per
 * recipient.
 */
export interface DeliveryStore {
  /**
   * Adds a queued delivery, unless its idempotency key has created one at or after `since`: then that one is returned,
   * and `known`. If nothing was queued for the recipient, it is due at once, under this client.
   */
  add(delivery: NewDelivery, since: number): Promise<{ delivery: DeliveryRecord; fingerprint: Uint8Array | undefined; known: boolean }>
  get(id: string): Promise<DeliveryRecord | undefined>
  /** The delivery that an idempotency key created at or after `since`. */
  underKey(key: string, since: number): Promise<{ delivery: DeliveryRecord; fingerprint: Uint8Array | undefined } | undefined>
  /**
   * Counts the deliveries created at or after `since` whose idempotency key starts with the prefix, which ends in a
   * space; stops at `limit`.
   */
  countKeys(prefix: string, since: number, limit: number): Promise<number>
  /**
   * A page in order of id, after the id `after`. With `updatedSince`, a bounded number of rows is scanned, so a page
   * may be short or empty before the last one. `next` is where to continue, null on the last page.
   */
  list(query: DeliveryQuery): Promise<{ items: DeliveryRecord[]; next: string | null }>
  /** Queued deliveries, by client. */
  queued(): Promise<QueuedDeliveries[]>
  /** Ends a queued delivery; false when it is not queued. */
  end(id: string, end: { state: Exclude<DeliveryState, 'queued'>; lastError?: string; now: number }): Promise<boolean>
  /** Ends queued deliveries whose time is over as `expired`, at most `limit`; returns them. */
  expire(query: { now: number; limit: number }): Promise<DeliveryRecord[]>
  /**
   * Clients with due recipients that no gateway has claimed, at most `limit`, in order of their keys, starting after
   * `after` and wrapping around.
   */
  clientsDue(query: { now: number; after: string; limit: number }): Promise<string[]>
  /** Claims due recipients of a client that no gateway has claimed, at most `limit`, until a time. */
  claim(query: { by: string; client: string; now: number; until: number; limit: number }): Promise<string[]>
  /**
   * Claims a due, unclaimed recipient for a client, whichever client it belonged to; false when it is not due or is
   * claimed.
   */
  claimFor(query: { by: string; client: string; recipient: string; now: number; until: number }): Promise<boolean>
  /** Ends all claims of a gateway. At its start these belong to an earlier run that crashed. */
  disown(by: string): Promise<void>
  /** Extends a claim; false when another gateway holds it. */
  renew(query: { by: string; recipient: string; until: number }): Promise<boolean>
  /**
   * The next deliveries for a recipient, in order, with their envelopes (undefined where damaged): at most `limit`, and
   * at most `maxBytes` unless the first one alone exceeds it.
   */
  next(query: {
    recipient: string
    now: number
    limit: number
    maxBytes: number
  }): Promise<Array<DeliveryRecord & { envelope: Uint8Array | undefined }>>
  /**
   * Checks queued deliveries after the id `after`, at most `limit`, and returns the ids of those whose envelope is
   * damaged; `next` is null at the end.
   */
  check(query: { after: string; limit: number }): Promise<{ damaged: string[]; looked: number; next: string | null }>
  /** Notes a failed attempt of the next delivery for a recipient, and when to retry; the claim ends. */
  failed(query: { by: string; recipient: string; id: string; lastError: string; dueAt: number; now: number }): Promise<void>
  /** Number of consecutive failed attempts for the recipient. */
  attempts(recipient: string): Promise<number>
  /** Ends the claim of a recipient with nothing queued. */
  release(query: { by: string; recipient: string }): Promise<void>
  /**
   * Claims a recipient with queued deliveries, even from another gateway; called by the gateway that has a link to it.
   * Returns the client it belongs to, undefined when nothing is queued.
   */
  take(query: { by: string; recipient: string; until: number }): Promise<string | undefined>
  /**
   * Makes recipients due that have queued deliveries and are not due. Called periodically, since a crash can interrupt
   * `add`.
   */
  settle(now: number): Promise<void>
  /** Removes deliveries that ended before a time, at most `limit`; returns how many. */
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
  /** `clientKey`; empty when unknown. */
  client: string
  deliveries: number
  /** Total bytes of their envelopes. */
  bytes: number
}

export interface NewDelivery {
  id: string
  messageId: string
  /** Owner of the delivery (`clientKey`). */
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
