import { randomBytes } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Logger } from 'pino'
import { backOffMs } from '../lib/back-off.ts'
import { orAborted } from '../lib/deadline.ts'
import type { Semaphore } from '../lib/semaphore.ts'
import type { Limits } from '../limits.ts'
import type { Hub } from '../log/hub.ts'
import { formatCursor, parseCursor, type Seq } from '../model/cursor.ts'
import { subscriptionFilter } from '../model/topic.ts'
import type { WebhookGap, WebhookProgress, WebhookRecord, WebhookState, WebhookStore } from '../store/webhook-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { type Batch, readBatch } from './batches.ts'
import { bodyOf } from './body.ts'
import type { Postman } from './postman.ts'
import type { Answer } from './sender.ts'

/**
 * The delivery of one webhook by the gateway that has claimed it: one request at a time, in the order of the log. The
 * end of a batch is stored before it is sent, and the position after it was accepted, so that after a crash the same
 * batch is sent under the same id.
 */
export interface DeliveryComponents {
  by: string
  hub: Pick<Hub, 'read' | 'follow' | 'epoch' | 'tip'>
  store: Pick<WebhookStore, 'note' | 'attempted'>
  postman: Pick<Postman, 'send'>
  /** Places for requests in progress, shared by clients. */
  places: Semaphore
  /** Why the rights of the owner have ended; undefined while they last. */
  ended(): Promise<string | undefined>
  metrics: Pick<Metrics, 'webhook'>
  logger: Logger
  age(): number
  random?: () => number
}

export type DeliveryLimits = Pick<Limits, 'maxWebhookBytes' | 'maxWebhookFailingMs' | 'lastWebhookRetryMs'>

/** Attempts that are kept of each webhook. */
export const keptAttempts = 100
const firstRetryMs = 1_000
/** The longest pause that a receiver can ask for, in milliseconds. */
const maxRetryAfterMs = 3_600_000
/** Gaps that wait until the receiver is told of them. Beyond these, the last one takes in the others. */
const maxGaps = 20
/** Messages that a quiet webhook passes, none of them its own, before its position is stored. */
const passedUnstored = 10_000
/** Milliseconds until a batch is read again whose end this gateway has not heard of yet. */
const behindMs = 100
/** The receiver is gone for good (RFC 9110 §15.5.11). */
const gone = 410

interface Sent {
  id: string
  messages: number
  through: string
  /** Gaps inside of the batch that the request did not tell. */
  untold: WebhookGap[]
}

/** The claim has passed to another gateway, or a client has changed the webhook. */
class ClaimLost extends Error {}

/** Delivers until the signal fires, the claim is lost, or the webhook is paused. @throws StoreUnavailable */
export async function deliver(
  init: { webhook: WebhookRecord; limits: DeliveryLimits },
  { signal, ...components }: DeliveryComponents & { signal: AbortSignal },
): Promise<void> {
  const { webhook, limits } = init
  const { hub, store, places, logger, age, random } = components
  const { settings } = webhook
  const filter = subscriptionFilter(settings)
  let { progress } = webhook
  let stored = progress.cursor

  async function note(next: WebhookProgress, state?: WebhookState): Promise<void> {
    const claim = { id: webhook.id, by: components.by, revision: webhook.revision }
    if (!(await store.note(claim, { progress: next, ...(state === undefined ? {} : { state }) }))) throw new ClaimLost()
    progress = next
    stored = next.cursor
  }

  /** @param through the end of the batch that was begun before */
  function read(through: string | undefined): Promise<Batch> {
    const room = { maxMessages: settings.batchSize, maxBytes: limits.maxWebhookBytes, client: webhook.client }
    return readBatch({ cursor: progress.cursor, through, filter, ...room }, { hub })
  }

  /** Reads and sends the next batch. */
  async function turn(mayWait: boolean): Promise<'sent' | 'nothing' | 'few' | 'behind' | 'paused'> {
    using _place = await places.take(signal, webhook.client)
    // A batch of another log has other messages now, so that its id must not be used for them.
    const before = parseCursor(progress.cursor).epoch === hub.epoch ? progress.batch : undefined
    const batch = await read(before?.through)
    // A part of it under its id would be taken for the whole: the position would pass what was not sent.
    if (!batch.isWhole) return 'behind'
    const { entries, cursor } = batch
    const untold = untoldOf(progress.gaps, batch.gaps)
    // A batch that was begun is sent as it was, so gaps that came since wait for the next one, unless nothing is left of it.
    const isAsItWas = before !== undefined && entries.length > 0
    const gaps = isAsItWas ? progress.gaps : joined(progress.gaps, untold)
    const lastGap = gaps.at(-1) ?? progress.lastGap
    if (entries.length === 0) {
      const passed = { ...progress, cursor, batch: undefined, gaps, lastGap }
      const isFar = parseCursor(cursor).seq - parseCursor(stored).seq > passedUnstored
      if (progress.batch !== undefined || batch.gaps.length > 0 || isFar) await note(passed)
      progress = passed
      return 'nothing'
    }
    if (mayWait && before === undefined && !batch.isFull) return 'few'
    const begun = before ?? { id: `msg_${randomBytes(16).toString('base64url')}`, through: cursor }
    // Also before the batch is sent again: a gateway that has lost the claim sends nothing.
    await note({ ...progress, batch: begun, gaps, lastGap })
    const body = bodyOf({ webhook: webhook.id, entries, gaps })
    const answer = await components.postman.send(webhook, { id: begun.id, body }, signal)
    const sent = { id: begun.id, messages: entries.length, through: begun.through, untold: isAsItWas ? untold : [] }
    return (await settle(answer, sent)) ? 'sent' : 'paused'
  }

  /** Notes the outcome of an attempt; false when the webhook is paused. */
  async function settle(answer: Answer, sent: Sent): Promise<boolean> {
    const attempts = progress.attempts + 1
    let state: WebhookState | undefined
    if (answer.error === undefined) {
      const gaps = joined([], sent.untold)
      const lastGap = gaps.at(-1) ?? progress.lastGap
      await note({ cursor: sent.through, gaps, lastGap, attempts, failures: 0, acceptedAt: age() })
    } else {
      const failingSince = progress.failingSince ?? age()
      if (answer.status === gone || age() - failingSince >= limits.maxWebhookFailingMs) state = 'paused'
      const retryAt = state === 'paused' ? undefined : age() + pauseMs(answer)
      await note({ ...progress, attempts, failures: progress.failures + 1, failingSince, retryAt, lastError: answer.error }, state)
    }
    components.metrics.webhook(answer.error === undefined ? 'accepted' : 'failed', sent.messages)
    const { status, durationMs, error = null } = answer
    const attempt = { number: attempts, at: age(), batch: sent.id, messages: sent.messages, status, durationMs, error }
    await store
      .attempted(webhook.id, attempt, keptAttempts)
      .catch((err: unknown) => logger.debug({ err, webhook: webhook.id }, 'an attempt of a webhook could not be noted'))
    return state !== 'paused'
  }

  function pauseMs({ retryAfterMs = 0 }: Answer): number {
    const range = { firstMs: firstRetryMs, lastMs: limits.lastWebhookRetryMs }
    return Math.round(Math.max(backOffMs(range, progress.failures, random), Math.min(retryAfterMs, maxRetryAfterMs)))
  }

  /** Begins to follow the log before it is read, so that no message is missed. */
  function news() {
    const { promise, resolve } = Promise.withResolvers<Seq>()
    const unfollow = hub.follow(filter, resolve)
    return { first: promise, [Symbol.dispose]: unfollow }
  }

  /** No message before this one is for the webhook. */
  function passTo(first: Seq): void {
    const { epoch, seq, pruneCount } = parseCursor(progress.cursor)
    progress = { ...progress, cursor: formatCursor(epoch, Math.max(seq, first - 1), pruneCount) }
  }

  let mayWait = settings.batchMs > 0
  for (;;) {
    if (progress.retryAt !== undefined) await wait(Math.max(0, progress.retryAt - age()), undefined, { signal })
    const ended = await components.ended()
    if (ended !== undefined) return await note({ ...progress, lastError: ended, retryAt: undefined }, 'paused').catch(unlessLost)
    using next = news()
    const outcome = await turn(mayWait).catch(unlessLost)
    if (outcome === undefined || outcome === 'paused') return
    if (outcome === 'behind') await wait(behindMs, undefined, { signal })
    if (outcome === 'few') await wait(settings.batchMs, undefined, { signal })
    if (outcome === 'nothing' && parseCursor(progress.cursor).seq >= hub.tip) passTo(await orAborted(next.first, signal))
    signal.throwIfAborted()
    mayWait = outcome !== 'few' && settings.batchMs > 0
  }
}

function unlessLost(error: unknown): undefined {
  if (!(error instanceof ClaimLost)) throw error
}

/** The gaps that those known do not cover: who reads a batch again finds gaps again that were noted when it was begun. */
function untoldOf(known: WebhookGap[], found: WebhookGap[]): WebhookGap[] {
  return found.filter((gap) => !known.some((each) => covers(each, gap)))
}

function covers(wide: WebhookGap, gap: WebhookGap): boolean {
  if (wide.topic !== undefined && wide.topic !== gap.topic) return false
  const [from, to, start, end] = [wide.from, wide.to, gap.from, gap.to].map((each) => parseCursor(each))
  if (from === undefined || to === undefined || start === undefined || end === undefined) return false
  const isOfOneLog = from.epoch === start.epoch && to.epoch === end.epoch
  return isOfOneLog && from.seq <= start.seq && end.seq <= to.seq
}

/** All gaps, at most `maxGaps`. */
function joined(before: WebhookGap[], more: WebhookGap[]): WebhookGap[] {
  const all = [...before, ...more]
  if (all.length <= maxGaps) return all
  const rest = all.slice(maxGaps - 1)
  const [first = all[0]] = rest
  const last = rest.at(-1)
  if (first === undefined || last === undefined) return all
  return [...all.slice(0, maxGaps - 1), { from: first.from, to: last.to, reason: 'pruned' }]
}
