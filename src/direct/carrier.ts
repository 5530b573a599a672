import type { Logger } from 'pino'
import { createClientShares } from '../access/client-shares.ts'
import { type Ages, agesOf } from '../clock/ages.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { backOffMs } from '../lib/back-off.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import { createLoop } from '../lib/loop.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { Limits } from '../limits.ts'
import type { DeliveryView } from '../model/delivery.ts'
import type { Peers } from '../peers/peers.ts'
import type { DeliveryStore } from '../store/delivery-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createCourier } from './courier.ts'
import { deliveryView } from './delivery-view.ts'
import { directBatchBytes, maxDirectBatch } from './direct-protocol.ts'

/**
 * Delivers direct messages to their recipients, in the order of acceptance: at once, then after growing pauses, and as
 * soon as the recipient connects. Gateways of one database share the work. A recipient is claimed by one gateway at a
 * time.
 */
export interface Carrier {
  start(): Promise<void>
  /** Finishes the open requests. */
  stop(): Promise<void>
  /** A client has queued a message for the recipient. It is tried at once if it is due and the client has room. */
  queued(recipient: string, client: string): void
  /** Looks for due deliveries. */
  wake(): void
  /**
   * Calls the watcher for each delivery that was delivered, refused or has expired. Returns a function that ends the
   * watch.
   */
  watch(watcher: (delivery: DeliveryView) => void): () => void
}

export type CarrierLimits = Pick<
  Limits,
  | 'maxCarried'
  | 'clientSharePercent'
  | 'deliveryTimeoutMs'
  | 'firstDeliveryRetryMs'
  | 'lastDeliveryRetryMs'
  | 'deliveryKeptMs'
  | 'dialTimeoutMs'
>

export interface CarrierComponents {
  engine: Pick<P2PEngine, 'peerId' | 'request' | 'peers' | 'listen'>
  peers: Pick<Peers, 'dialPeer'>
  store: DeliveryStore
  /** Accepts messages from this gateway to itself. */
  inbox: { take(envelopes: Uint8Array[], from: string): Promise<Uint8Array> }
  metrics: Pick<Metrics, 'damaged'>
  logger: Logger
  clock?: Ages
  random?: () => number
}

/** Milliseconds between two looks for due deliveries, including those that another gateway has abandoned. */
const lookMs = 1_000
/** Milliseconds between two cleanings. */
const cleanMs = 30_000
const cleaned = 500
const maxUntaken = 1_000
/** Recipients that have connected and wait for a place. */
const maxWaiting = 1_000

export function createCarrier(init: { limits: CarrierLimits }, components: CarrierComponents): Carrier {
  const { limits } = init
  const { engine, store, logger, clock = agesOf(), random = Math.random } = components
  const changes = createWatchers<[delivery: DeliveryView]>()
  const now = () => clock.age()
  /**
   * Lifetime of a claim in milliseconds: longer than a dial and a request may take, after which the claim is renewed.
   */
  const claimMs = 2 * (limits.dialTimeoutMs * 3 + limits.deliveryTimeoutMs)
  const carrying = new Map<string, Promise<void>>()
  /** Places for recipients that are tried at the same time, shared by the clients. */
  const places = createSemaphore({ max: limits.maxCarried, maxWaiting, shares: (max) => createClientShares({ max, limits }) })
  /** The client whose recipients were claimed last. */
  let servedLast = ''
  /** Recipients whose attempt ended because the database failed. They are still claimed. */
  const interrupted = new Set<string>()
  /**
   * Recipients that were linked but accepted nothing, with the time (monotonic clock) until which a new link causes no
   * attempt.
   */
  const untaken = new BoundedMap<string, number>({ max: maxUntaken })
  const courier = createCourier(
    { dialMs: claimMs / 2, deliveryTimeoutMs: limits.deliveryTimeoutMs },
    { ...components, clock, onChange: changes.tell },
  )
  const looking = createLoop({
    work: look,
    onError: (err) => logger.warn({ err }, 'the outbox could not be read; another attempt follows'),
  })
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let unlisten: (() => void) | undefined
  let cleanAt = 0
  /** Whether the claims of an earlier run were taken over. */
  let isResumed = false

  /** Drops claims that a crash has left, and takes recipients that connected before the listener was set. */
  async function resume(): Promise<void> {
    await store.disown(engine.peerId)
    for (const { peerId } of await engine.peers()) await appeared(peerId)
    isResumed = true
  }

  async function look(): Promise<void> {
    if (stopping.signal.aborted) return
    if (!isResumed) await resume()
    for (const recipient of interrupted) {
      await appeared(recipient)
      interrupted.delete(recipient)
    }
    await expire()
    if (now() >= cleanAt) await clean()
    if (places.size < limits.maxCarried) await claimDue()
  }

  /** Claims due recipients for each client within its share. The next look continues after the last client. */
  async function claimDue(): Promise<void> {
    for (const client of await store.clientsDue({ now: now(), after: servedLast, limit: limits.maxCarried })) {
      const limit = places.room(client)
      if (limit === 0) continue
      servedLast = client
      const claimed = await store.claim({ by: engine.peerId, client, now: now(), until: now() + claimMs, limit })
      for (const recipient of claimed) carry(recipient, client)
    }
  }

  /** Claims the recipient for this client, also if it waits in the long queue of another client. */
  async function begin(recipient: string, client: string): Promise<void> {
    if (stopping.signal.aborted || carrying.has(recipient) || places.room(client) === 0) return
    const isClaimed = await store.claimFor({ by: engine.peerId, client, recipient, now: now(), until: now() + claimMs })
    if (isClaimed && !carrying.has(recipient)) carry(recipient, client)
  }

  function wake(): void {
    if (!stopping.signal.aborted && timer !== undefined) looking.ask()
  }

  async function expire(): Promise<void> {
    for (;;) {
      const expired = await store.expire({ now: clock.settledAge(), limit: cleaned })
      for (const record of expired) changes.tell(deliveryView(record, clock))
      if (expired.length < cleaned) return
    }
  }

  async function clean(): Promise<void> {
    cleanAt = now() + cleanMs
    await store.settle(now())
    while ((await store.forget({ before: clock.settledAge() - limits.deliveryKeptMs, limit: cleaned })) === cleaned);
  }

  function carry(recipient: string, client: string): void {
    const done = carryInTurn(recipient, client)
      .catch((err: unknown) => {
        logger.warn({ err }, 'direct messages could not be delivered; another attempt follows')
        interrupted.add(recipient)
      })
      .finally(() => {
        carrying.delete(recipient)
        // The database may be unavailable. Then the next look continues.
        if (!interrupted.has(recipient)) wake()
      })
    carrying.set(recipient, done)
  }

  async function carryInTurn(recipient: string, client: string): Promise<void> {
    using place = await places.take(stopping.signal, client).catch(() => undefined)
    if (place !== undefined) await carryAll(recipient)
    // Ends the claim: another gateway, the next look or the next start may take it.
    else await store.renew({ by: engine.peerId, recipient, until: now() })
  }

  /**
   * For some milliseconds, ignores new links of a recipient that was linked and accepted nothing. A peer that has
   * blocked this gateway, for example, hangs up on every link.
   */
  function notNews(recipient: string, ms: number): void {
    untaken.set(recipient, performance.now() + ms)
  }

  /** The gateway with a link to the recipient takes it over, whichever gateway was to try next. */
  async function appeared(recipient: string): Promise<void> {
    if (carrying.has(recipient) || (untaken.get(recipient) ?? 0) > performance.now()) return
    const client = await store.take({ by: engine.peerId, recipient, until: now() + claimMs })
    if (client !== undefined && !carrying.has(recipient)) carry(recipient, client)
  }

  async function carryAll(recipient: string): Promise<void> {
    const by = engine.peerId
    while (!stopping.signal.aborted && (await store.renew({ by, recipient, until: now() + claimMs }))) {
      const next = await store.next({ recipient, now: clock.settledAge(), limit: maxDirectBatch, maxBytes: directBatchBytes })
      if (next.length === 0) return await store.release({ by, recipient })
      const batch = await courier.soundOf(next)
      const [first] = batch
      if (first === undefined) continue
      const problem = await courier.send(recipient, batch, stopping.signal)
      if (problem === undefined) continue
      if (stopping.signal.aborted) break
      const id = problem.id ?? first.id
      const pauseMs = await pause(recipient)
      if (problem.wasReached) notNews(recipient, pauseMs)
      await store.failed({ by, recipient, id, lastError: problem.reason, dueAt: now() + pauseMs, now: now() })
      return
    }
    // Ends the claim, so that another gateway, or the next start, continues at once.
    if (stopping.signal.aborted) await store.renew({ by, recipient, until: now() })
  }

  /** The pause before the next attempt, in milliseconds. */
  async function pause(recipient: string): Promise<number> {
    const range = { firstMs: limits.firstDeliveryRetryMs, lastMs: limits.lastDeliveryRetryMs }
    return Math.round(backOffMs(range, await store.attempts(recipient), random))
  }

  return {
    wake,
    watch: changes.watch,
    queued(recipient, client) {
      // The claims of an earlier run are taken over first.
      if (!isResumed) return wake()
      begin(recipient, client).catch((err: unknown) => logger.debug({ err }, 'a recipient could not be claimed; the next look tries again'))
    },
    async start() {
      stopping = new AbortController()
      isResumed = false
      timer = setInterval(wake, lookMs)
      unlisten = engine.listen((event) => {
        if (event.type !== 'peer:connect') return
        const { peerId } = event.peer
        courier.arrived(peerId)
        appeared(peerId).catch((err: unknown) => logger.debug({ err }, 'a connected recipient could not be claimed'))
      })
      wake()
    },
    async stop() {
      unlisten?.()
      clearInterval(timer)
      timer = undefined
      stopping.abort()
      await looking.idle()
      await Promise.all(carrying.values())
    },
  }
}
