import { createHash } from 'node:crypto'
import { createClientShares } from '../access/client-shares.ts'
import { createKeyRoom } from '../access/key-room.ts'
import { type Ages, agesOf } from '../clock/ages.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { DeliveryNotFound, IdempotencyKeyReused, InvalidRequest, MessageTooLarge, OutboxFull } from '../errors.ts'
import { createMonotonicIds } from '../lib/monotonic-id.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { Limits } from '../limits.ts'
import type { DeliveryState, DeliveryView } from '../model/delivery.ts'
import { openDirect } from '../model/direct-message.ts'
import { idempotencyWindowMs, storedKey } from '../model/idempotency-key.ts'
import type { DeliveryRecord, DeliveryStore, QueuedDeliveries } from '../store/delivery-store.ts'
import type { Carrier } from './carrier.ts'
import { deliveryView } from './delivery-view.ts'

/**
 * Direct messages of clients: signed and stored at once, then queued until they are delivered, refused, expired or
 * cancelled. Does not own their transport (carrier.ts).
 */
export interface Deliveries {
  /**
   * @throws MessageTooLarge, OutboxFull, StoreUnavailable
   * @throws InvalidRequest when `expiresInMs` is out of range
   * @throws IdempotencyKeyLimit when too many keys of the client are remembered
   * @throws IdempotencyKeyReused when the key was used for another message
   */
  send(message: OutgoingMessage): Promise<{ delivery: DeliveryView; replayed: boolean }>
  /** A page in the order of acceptance. `next` is the `after` of the next page, null on the last page. */
  list(query: DeliveriesQuery): Promise<{ items: DeliveryView[]; next: string | null }>
  /** @throws DeliveryNotFound */
  get(id: string): Promise<DeliveryView>
  /** Cancels the delivery if it is still queued. Returns its final state. @throws DeliveryNotFound */
  cancel(id: string): Promise<DeliveryView>
  /** Calls the watcher for each delivery that ended. Returns a function that ends the watch. */
  watch(watcher: (delivery: DeliveryView) => void): () => void
}

export interface OutgoingMessage {
  /** The sender (`clientKey`). */
  client: string
  to: string
  data: Uint8Array
  expiresInMs?: number | undefined
  idempotency?: { scope: string; key: string } | undefined
}

export interface DeliveriesQuery {
  after?: string | undefined
  limit: number
  state?: DeliveryState | undefined
  to?: string | undefined
  updatedSince?: number | undefined
}

export type DeliveriesLimits = Pick<
  Limits,
  | 'maxMessageBytes'
  | 'maxQueuedDeliveries'
  | 'maxQueuedDeliveryBytes'
  | 'clientSharePercent'
  | 'deliveryMs'
  | 'maxDeliveryMs'
  | 'maxIdempotencyKeysPerToken'
>

export interface DeliveriesComponents {
  engine: Pick<P2PEngine, 'signDirect'>
  store: DeliveryStore
  carrier: Pick<Carrier, 'queued' | 'watch'>
  /** Deliveries expire by age time. Clients see wall time. */
  clock?: Ages
}

/** Milliseconds after which a client may retry when the outbox is full. */
const retryAfterMs = 5_000
const countMs = 1_000

export function createDeliveries(init: { limits: DeliveriesLimits }, components: DeliveriesComponents): Deliveries {
  const { maxMessageBytes, maxQueuedDeliveries, maxQueuedDeliveryBytes, deliveryMs, maxDeliveryMs } = init.limits
  const { engine, store, carrier, clock = agesOf() } = components
  const changes = createWatchers<[delivery: DeliveryView]>()
  carrier.watch(changes.tell)
  const now = () => clock.age()
  const view = (record: DeliveryRecord) => deliveryView(record, clock)
  const nextId = createMonotonicIds({ now })
  const keyRoom = createKeyRoom(
    { max: init.limits.maxIdempotencyKeysPerToken },
    { count: (prefix, limit) => store.countKeys(prefix, clock.settledAge() - idempotencyWindowMs, limit), now },
  )
  /** Queued deliveries of the database by client, as last counted by the store, plus those accepted since. */
  let queued = sharesOf([])
  let countedAt = Number.NEGATIVE_INFINITY

  function check({ data, expiresInMs = deliveryMs }: OutgoingMessage): void {
    if (data.length > maxMessageBytes) {
      throw new MessageTooLarge(`A message may have at most ${maxMessageBytes} bytes of data. This one has ${data.length}.`, {
        errors: [{ path: '/data', message: 'is too large' }],
      })
    }
    if (expiresInMs < 1 || expiresInMs > maxDeliveryMs) {
      const message = `must be from 1 to ${maxDeliveryMs} milliseconds`
      throw new InvalidRequest(`expiresInMs ${message}.`, { errors: [{ path: '/expiresInMs', message }] })
    }
  }

  /**
   * Takes room in the outbox. The store counts at most once a second, since the time of a count grows with the outbox.
   */
  async function checkRoom(client: string, bytes: number): Promise<void> {
    if (now() - countedAt >= countMs) {
      countedAt = now()
      queued = sharesOf(await store.queued())
    }
    const refusal = queued.deliveries.refusal(client) ?? queued.bytes.refusal(client, bytes)
    if (refusal !== undefined) {
      const whose = refusal === 'all' ? 'direct messages' : 'direct messages of this client'
      throw new OutboxFull(`Too many ${whose} wait for their recipients.`, { retryAfterMs })
    }
    queued.deliveries.hold(client, 1)
    queued.bytes.hold(client, bytes)
  }

  function sharesOf(counts: QueuedDeliveries[]) {
    const deliveries = createClientShares({ max: maxQueuedDeliveries, limits: init.limits })
    const bytes = createClientShares({ max: maxQueuedDeliveryBytes, limits: init.limits })
    for (const each of counts) {
      deliveries.hold(each.client, each.deliveries)
      bytes.hold(each.client, each.bytes)
    }
    return { deliveries, bytes }
  }

  async function get(id: string): Promise<DeliveryView> {
    const record = await store.get(id)
    if (record === undefined) throw new DeliveryNotFound('No delivery has this id, or it ended long ago.')
    return view(record)
  }

  return {
    async send(message) {
      check(message)
      const { client, to, data, expiresInMs = deliveryMs, idempotency } = message
      const key = idempotency && { key: storedKey(idempotency), fingerprint: fingerprintOf(message) }
      const earlier = key && (await store.underKey(key.key, clock.settledAge() - idempotencyWindowMs))
      if (earlier !== undefined) return replayOf(earlier, key, view)
      if (idempotency !== undefined) await keyRoom.take(idempotency)
      const envelope = await engine.signDirect({ to, data })
      await checkRoom(client, envelope.length)
      const { id: messageId } = await openDirect(envelope)
      const createdAt = now()
      const added = await store.add(
        { id: nextId(), messageId, client, to, envelope, expiresAt: createdAt + expiresInMs, createdAt, idempotency: key },
        clock.settledAge() - idempotencyWindowMs,
      )
      if (added.known) return replayOf(added, key, view)
      carrier.queued(to, client)
      return { delivery: view(added.delivery), replayed: false }
    },
    async list({ limit, updatedSince, ...query }) {
      const since = updatedSince === undefined ? {} : { updatedSince: clock.toAge(updatedSince) }
      const { items, next } = await store.list({ ...omitUndefined(query), ...since, limit })
      return { items: items.map(view), next }
    },
    get,
    watch: changes.watch,
    async cancel(id) {
      const ended = await store.end(id, { state: 'cancelled', now: now() })
      const delivery = await get(id)
      if (ended) changes.tell(delivery)
      return delivery
    },
  }
}

/** The result of an earlier request with the key. @throws IdempotencyKeyReused */
function replayOf(
  { delivery, fingerprint = new Uint8Array() }: { delivery: DeliveryRecord; fingerprint: Uint8Array | undefined },
  key: { fingerprint: Uint8Array } | undefined,
  view: (record: DeliveryRecord) => DeliveryView,
): { delivery: DeliveryView; replayed: true } {
  if (key !== undefined && Buffer.compare(fingerprint, key.fingerprint) !== 0)
    throw new IdempotencyKeyReused('This idempotency key was used for another message.')
  return { delivery: view(delivery), replayed: true }
}

function fingerprintOf({ to, data, expiresInMs }: OutgoingMessage): Uint8Array {
  return createHash('sha256')
    .update(`${to} ${expiresInMs ?? ''} `)
    .update(data)
    .digest()
}
