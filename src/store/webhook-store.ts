/**
 * Webhooks, how far each is, and which gateway delivers it. One gateway at a time holds the claim of a webhook; only
 * the holder moves its position.
 */
export interface WebhookStore {
  /**
   * Adds a webhook, unless there are `max`, or `maxOfClient` of its client: then false. Gateways that add at the same
   * time may each exceed a limit by one.
   */
  add(webhook: NewWebhook, limits: { max: number; maxOfClient: number }): Promise<boolean>
  get(id: string): Promise<WebhookRecord | undefined>
  /** Webhooks in order of id, after the id `after`: of an owner, or all. */
  list(query: { owner?: string; after?: string; limit: number }): Promise<WebhookRecord[]>
  /**
   * Begins a change: the claim passes to `by` until a time, and what a delivery in progress writes from now on is
   * refused. Undefined when there is no such webhook.
   */
  take(query: { id: string; by: string; until: number }): Promise<WebhookRecord | undefined>
  /** Completes a change and ends the claim; false when another change has begun meanwhile. */
  change(query: { id: string; revision: number }, changes: WebhookChange): Promise<boolean>
  /** Removes a webhook with its attempts; false when there was none. */
  remove(id: string): Promise<boolean>
  /** Claims active webhooks without a claim at this time, at most `limit`, until a time. */
  claim(query: { by: string; now: number; until: number; limit: number }): Promise<WebhookRecord[]>
  /** Extends claims, and returns the ids of those that are still held. */
  renew(query: { by: string; ids: string[]; until: number }): Promise<string[]>
  /** Notes how far a delivery is; false when its claim has passed to another, or a client has changed the webhook. */
  note(query: WebhookClaim, noted: { progress: WebhookProgress; state?: WebhookState }): Promise<boolean>
  /** Ends a claim. */
  release(query: { by: string; id: string }): Promise<void>
  /** Ends all claims of a gateway. At its start these belong to an earlier run that crashed. */
  disown(by: string): Promise<void>
  /** Keeps an attempt in place of the one that is `kept` numbers older. It may be lost with the power. */
  attempted(id: string, attempt: WebhookAttemptRecord, kept: number): Promise<void>
  /** The attempts that are kept, the newest first. */
  attempts(id: string): Promise<WebhookAttemptRecord[]>
}

export type WebhookState = 'active' | 'paused'

export interface WebhookClaim {
  id: string
  by: string
  revision: number
}

/** What a webhook was made with. */
export interface WebhookSettings {
  url: string
  topics: string[]
  direct: boolean
  batchSize: number
  batchMs: number
  timeoutMs: number
  headers: Array<{ name: string; value: string }>
}

export interface WebhookSecret {
  secret: string
  /** Age time up to which a replaced secret signs too. */
  until?: number | undefined
}

/** Messages that a webhook was not sent, as positions of the log. */
export interface WebhookGap {
  /** Undefined when it can affect any messages; empty for direct ones. */
  topic?: string | undefined
  from: string
  to: string
  reason: 'pruned' | 'damaged' | 'deleted' | 'other-log'
}

/** Times are age time. */
export interface WebhookProgress {
  /** Everything up to this position was accepted. */
  cursor: string
  /** The batch that was begun: after a crash it is sent again as it was. */
  batch?: { id: string; through: string } | undefined
  /** Gaps that the receiver has not been told yet. */
  gaps: WebhookGap[]
  lastGap?: WebhookGap | undefined
  /** Attempts so far, and those that have failed since the last one that was accepted. */
  attempts: number
  failures: number
  failingSince?: number | undefined
  retryAt?: number | undefined
  lastError?: string | undefined
  acceptedAt?: number | undefined
}

export interface NewWebhook {
  id: string
  /** Id of the grant that it reads with. */
  owner: string
  /** `clientKey`. */
  client: string
  settings: WebhookSettings
  /** The newest first. */
  secrets: WebhookSecret[]
  progress: WebhookProgress
  /** When the rights of the owner end: milliseconds since 1970. */
  rightsUntil: number | undefined
  /** Age time. */
  createdAt: number
}

export interface WebhookRecord extends NewWebhook {
  state: WebhookState
  /** Rises with each change by a client. */
  revision: number
}

export type WebhookChange = Partial<Pick<WebhookRecord, 'state' | 'settings' | 'secrets' | 'progress'>>

export interface WebhookAttemptRecord {
  /** Rises by one with each attempt. */
  number: number
  /** Age time. */
  at: number
  batch: string
  messages: number
  status: number | null
  durationMs: number
  error: string | null
}
