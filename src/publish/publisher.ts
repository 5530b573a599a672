import { createHash } from 'node:crypto'
import { createClientShares } from '../access/client-shares.ts'
import { createKeyRoom } from '../access/key-room.ts'
import type { OwnMessage, P2PEngine } from '../engine/engine.ts'
import { IdempotencyInProgress, IdempotencyKeyReused, InvalidRequest, MeshNotReady, MessageTooLarge, Overloaded } from '../errors.ts'
import { createDeadline } from '../lib/deadline.ts'
import type { Limits } from '../limits.ts'
import type { Ingest, PublishedBy } from '../log/ingest.ts'
import { idempotencyWindowMs, KeyTaken, storedKey } from '../model/idempotency-key.ts'
import { type Published, withCursors } from '../model/published.ts'
import type { LogStore } from '../store/log-store.ts'
import type { LoadWatch } from '../telemetry/load-watch.ts'
import type { Topics } from '../topics/topics.ts'

/**
 * Publishes for clients: batches, idempotency keys and the wait for enough subscribed peers. Does not own the append
 * and the way to the network, which are `log`'s.
 */
export interface Publisher {
  /**
   * Checks before the body is read whether a message of the client would be accepted now, so that a refusal is cheap.
   * @throws Overloaded, Draining
   */
  check(client: string): void
  /**
   * Joins the topics for which there is room, and puts all messages, or none, into the inbox, in the order of the
   * calls. `published` resolves once they are durable and were handed to the network. A refused request leaves no
   * trace.
   * @throws InvalidRequest, MessageTooLarge, Overloaded, Draining, StoreUnavailable
   * @throws IdempotencyKeyReused when the key was used for other messages
   * @throws IdempotencyKeyLimit when too many keys of the client are remembered
   * @throws IdempotencyInProgress while another request with the key is in progress; Overloaded when too many keys are
   * in use
   * @throws MeshNotReady when not enough peers subscribed in time
   */
  enqueue(request: PublishRequest, options: { signal: AbortSignal }): Promise<{ published: Promise<Publication> }>
}

export interface PublishRequest {
  /** The client (`clientKey`). */
  client: string
  /** At least one. */
  messages: OwnMessage[]
  /** Whether the client sent a list, whose index an error names. */
  listed?: boolean
  /** Chosen by the client; unique within the scope for a day. */
  idempotency?: { scope: string; key: string } | undefined
  /**
   * How many neighbours must be subscribed to each topic (default 0), and how long to wait for them, in milliseconds
   * (default 0).
   */
  minRecipients?: number | undefined
  waitMs?: number | undefined
  /** See `PublishedBy`. */
  stored?: PublishedBy['stored']
}

export interface Publication {
  items: Published[]
  /** Whether the items are the result of an earlier request with the same idempotency key. */
  replayed: boolean
}

/** Milliseconds after which a client may retry: about the time of a publication, and of the forming of a mesh. */
const inProgressRetryMs = 1_000
const meshRetryMs = 5_000

export interface PublisherComponents {
  ingest: Pick<Ingest, 'publish' | 'checkRoom'>
  topics: Pick<Topics, 'joinIfRoom'>
  engine: Pick<P2PEngine, 'subscribers' | 'listen'>
  log: Pick<LogStore, 'published' | 'noteRecipients' | 'countKeys'>
  load: Pick<LoadWatch, 'check'>
  /** Age time, which stands still while the clock is not trusted. */
  now?: () => number
}

export type PublisherLimits = Pick<
  Limits,
  'maxMessageBytes' | 'maxPublishMessages' | 'maxIdempotencyKeysPerToken' | 'maxOpenIdempotencyKeys' | 'clientSharePercent'
>

export function createPublisher(init: { limits: PublisherLimits }, components: PublisherComponents): Publisher {
  const { maxMessageBytes, maxPublishMessages } = init.limits
  const { ingest, topics, engine, log, load, now = Date.now } = components
  const keyRoom = createKeyRoom(
    { max: init.limits.maxIdempotencyKeysPerToken },
    { count: (prefix, limit) => log.countKeys(prefix, limit), now },
  )
  /** Idempotency keys of requests in progress. */
  const inProgress = new Set<string>()
  const openKeys = createClientShares({ max: init.limits.maxOpenIdempotencyKeys, limits: init.limits })

  function checkSizes({ messages, listed = false }: PublishRequest): void {
    if (messages.length > maxPublishMessages) {
      throw new InvalidRequest(`A request may publish at most ${maxPublishMessages} messages. This one has ${messages.length}.`)
    }
    for (const [index, { data }] of messages.entries()) {
      if (data.length <= maxMessageBytes) continue
      throw new MessageTooLarge(`A message may have at most ${maxMessageBytes} bytes of data. This one has ${data.length}.`, {
        errors: [{ path: listed ? `/messages/${index}/data` : '/data', message: 'is too large' }],
      })
    }
  }

  async function enqueueNew(
    { client, messages, minRecipients = 0, waitMs = 0, stored }: PublishRequest,
    signal: AbortSignal,
    key?: KeyOfRequest,
  ) {
    for (const topic of new Set(messages.map((message) => message.topic))) {
      await topics.joinIfRoom(topic, client)
      if (minRecipients > 0) await untilSubscribed(topic, minRecipients, waitMs, signal)
    }
    signal.throwIfAborted()
    return ingest.publish(messages, { client, key, stored })
  }

  /** Waits for subscribers of the topic. @throws MeshNotReady */
  async function untilSubscribed(topic: string, count: number, waitMs: number, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + waitMs
    for (;;) {
      signal.throwIfAborted()
      const changed = nextSubscription(topic)
      const { length } = await engine.subscribers(topic)
      const left = deadline - performance.now()
      if (length >= count || left <= 0) {
        changed.cancel()
        if (length >= count) return
        throw new MeshNotReady(`Only ${length} of ${count} peers have joined "${topic}". Nothing was published.`, {
          retryAfterMs: meshRetryMs,
        })
      }
      using limit = createDeadline(left, [signal])
      if (limit.signal.aborted) changed.cancel()
      limit.signal.addEventListener('abort', changed.cancel)
      await changed.promise
    }
  }

  /** Resolves when another peer has subscribed to the topic, or the wait is cancelled. */
  function nextSubscription(topic: string): { promise: Promise<void>; cancel: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>()
    const unlisten = engine.listen((event) => {
      if (event.type === 'topic:subscribe' && event.topic === topic) cancel()
    })
    function cancel(): void {
      unlisten()
      resolve()
    }
    return { promise, cancel }
  }

  /** The publication that was stored under the key, if any. @throws IdempotencyKeyReused */
  async function replay(key: KeyOfRequest): Promise<Publication | undefined> {
    const earlier = await log.published(key.key, now() - idempotencyWindowMs)
    if (earlier === undefined) return undefined
    if (Buffer.compare(earlier.fingerprint, key.fingerprint) !== 0)
      throw new IdempotencyKeyReused('This idempotency key was used for other messages.')
    return { items: withCursors(earlier.epoch, earlier.items), replayed: true }
  }

  async function settle(published: Promise<Published[]>, key: KeyOfRequest): Promise<Publication> {
    try {
      const items = await published
      await log.noteRecipients(
        key.key,
        items.map(({ recipients }) => recipients),
      )
      return { items, replayed: false }
    } catch (error) {
      const earlier = error instanceof KeyTaken ? await replay(key) : undefined
      if (earlier === undefined) throw error
      return earlier
    }
  }

  async function enqueueOnce(
    request: PublishRequest,
    idempotency: { scope: string; key: string },
    signal: AbortSignal,
  ): Promise<{ published: Promise<Publication> }> {
    const key = keyOf(request, idempotency)
    if (inProgress.has(key.key)) {
      throw new IdempotencyInProgress('A request with this idempotency key is in progress.', { retryAfterMs: inProgressRetryMs })
    }
    const place = openKeys.take(request.client)
    if (place === undefined) {
      throw new Overloaded('Too many publications with idempotency keys are in progress, in total or for this client.', {
        retryAfterMs: inProgressRetryMs,
      })
    }
    inProgress.add(key.key)
    const release = () => {
      inProgress.delete(key.key)
      place[Symbol.dispose]()
    }
    try {
      const earlier = await replay(key)
      if (earlier !== undefined) {
        release()
        return { published: Promise.resolve(earlier) }
      }
      await keyRoom.take(idempotency)
      const { published } = await enqueueNew(request, signal, key)
      return { published: settle(published, key).finally(release) }
    } catch (error) {
      release()
      throw error
    }
  }

  return {
    check(client) {
      load.check()
      ingest.checkRoom(client)
    },
    async enqueue(request, { signal }) {
      checkSizes(request)
      load.check()
      if (request.idempotency !== undefined) return await enqueueOnce(request, request.idempotency, signal)
      const { published } = await enqueueNew(request, signal)
      return { published: published.then((items) => ({ items, replayed: false })) }
    },
  }
}

/** An idempotency key as the store has it. */
interface KeyOfRequest {
  key: string
  fingerprint: Uint8Array
}

function keyOf({ messages, listed = false }: PublishRequest, idempotency: { scope: string; key: string }): KeyOfRequest {
  const hash = createHash('sha256').update(listed ? 'list' : 'one')
  for (const { topic, data } of messages) {
    const name = Buffer.from(topic)
    const lengths = Buffer.alloc(8)
    lengths.writeUInt32BE(name.length, 0)
    lengths.writeUInt32BE(data.length, 4)
    hash.update(lengths).update(name).update(data)
  }
  return { key: storedKey(idempotency), fingerprint: hash.digest() }
}
