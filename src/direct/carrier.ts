import type { Logger } from 'pino'
import { createClientShares } from '../access/client-shares.ts'
import { type Ages, agesOf } from '../clock/ages.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { DeliveryView } from '../model/delivery.ts'
import type { Peers } from '../peers/peers.ts'
import type { DeliveryStore } from '../store/delivery-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createCourier } from './courier.ts'
import { deliveryView } from './delivery-view.ts'
import { directBatchBytes, maxDirectBatch } from './direct-protocol.ts'

/**
 * Carries direct messages to their recipients, in the order in which they were accepted: at once, again and again with growing pauses, and
 * at once when the recipient appears. Gateways of one database share the work: a recipient is one gateway's at a time.
 */
export interface Carrier {
  start(): Promise<void>
  /** Finishes the requests under way. */
  stop(): Promise<void>
  /** Something is queued for a recipient, by a client: it is tried at once when it is due and the client has room. */
  queued(recipient: string, client: string): void
  /** Something may be due. */
  wake(): void
  /** Tells of each delivery that was delivered, refused or has expired. Answers what ends the watch. */
  watch(watcher: (delivery: DeliveryView) => void): () => void
}

export interface CarrierLimits {
  maxCarried: number
  clientSharePercent: number
  deliveryTimeoutMs: number
  firstDeliveryRetryMs: number
  lastDeliveryRetryMs: number
  deliveryKeptMs: number
  dialTimeoutMs: number
}

export interface CarrierComponents {
  engine: Pick<P2PEngine, 'peerId' | 'request' | 'peers' | 'listen'>
  peers: Pick<Peers, 'dialPeer'>
  store: DeliveryStore
  /** Takes what this gateway sends to itself. */
  inbox: { take(envelopes: Uint8Array[], from: string): Promise<Uint8Array> }
  metrics: Pick<Metrics, 'damaged'>
  logger: Logger
  clock?: Ages
  random?: () => number
}

/** Milliseconds between two looks for what is due: also what another gateway has left behind. */
const lookMs = 1_000
/** Between two cleanings. */
const cleanMs = 30_000
const cleaned = 500
const maxUntaken = 1_000
/** Recipients that have appeared and wait for a place. */
const maxWaiting = 1_000

export function createCarrier(init: { limits: CarrierLimits }, components: CarrierComponents): Carrier {
  const { limits } = init
  const { engine, store, logger, clock = agesOf(), random = Math.random } = components
  const changes = createWatchers<[delivery: DeliveryView]>()
  const now = () => clock.age()
  /** Longer than a dial and a request may take, after which the claim is renewed. */
  const claimMs = 2 * (limits.dialTimeoutMs * 3 + limits.deliveryTimeoutMs)
  const carrying = new Map<string, Promise<void>>()
  /** Of recipients that are tried, which clients share. */
  const places = createSemaphore({ max: limits.maxCarried, maxWaiting, shares: (max) => createClientShares({ max, limits }) })
  /** The client whose recipients were claimed last. */
  let servedLast = ''
  /** Recipients whose turn ended since the database failed: they are still claimed. */
  const interrupted = new Set<string>()
  /** Recipients that had a link and took nothing, and until when (by the monotonic clock) they are left alone. */
  const untaken = new Map<string, number>()
  const courier = createCourier(
    { dialMs: claimMs / 2, deliveryTimeoutMs: limits.deliveryTimeoutMs },
    { ...components, clock, onChange: changes.tell },
  )
  let stopping = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let unlisten: (() => void) | undefined
  let looking: Promise<void> | undefined
  let again = false
  let cleanAt = 0
  /** Whether what an earlier life left behind has been seen to. */
  let isResumed = false

  /** A crash may have left claims, and links may have come before anybody listened for them. */
  async function resume(): Promise<void> {
    await store.disown(engine.peerId)
    for (const { peerId } of await engine.peers()) await appeared(peerId)
    isResumed = true
  }

  async function look(): Promise<void> {
    if (!isResumed) await resume()
    do {
      again = false
      for (const recipient of interrupted) {
        await appeared(recipient)
        interrupted.delete(recipient)
      }
      await expire()
      if (now() >= cleanAt) await clean()
      if (places.size >= limits.maxCarried) return
      await claimDue()
    } while (again && !stopping.signal.aborted)
  }

  /** For one client after the other, as far as their shares go; the next look goes on behind the last. */
  async function claimDue(): Promise<void> {
    for (const client of await store.clientsDue({ now: now(), after: servedLast, limit: limits.maxCarried })) {
      const limit = places.room(client)
      if (limit === 0) continue
      servedLast = client
      const claimed = await store.claim({ by: engine.peerId, client, now: now(), until: now() + claimMs, limit })
      for (const recipient of claimed) carry(recipient, client)
    }
  }

  /** The recipient may be one of those of another client, which has a long queue of them: now it is this one's. */
  async function begin(recipient: string, client: string): Promise<void> {
    if (stopping.signal.aborted || carrying.has(recipient) || places.room(client) === 0) return
    const isClaimed = await store.claimFor({ by: engine.peerId, client, recipient, now: now(), until: now() + claimMs })
    if (isClaimed && !carrying.has(recipient)) carry(recipient, client)
  }

  function wake(): void {
    again = true
    if (stopping.signal.aborted || timer === undefined) return
    looking ??= look()
      .catch((err: unknown) => logger.warn({ err }, 'the outbox could not be looked at; it is tried again'))
      .finally(() => {
        looking = undefined
      })
  }

  async function expire(): Promise<void> {
    for (;;) {
      const expired = await store.expire({ now: clock.settledAge(), limit: cleaned })
      for (const record of expired) void changes.tell(deliveryView(record, clock))
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
        logger.warn({ err }, 'direct messages could not be carried; another try follows')
        interrupted.add(recipient)
      })
      .finally(() => {
        carrying.delete(recipient)
        // The database may be away: then it is the next look that goes on.
        if (!interrupted.has(recipient)) wake()
      })
    carrying.set(recipient, done)
  }

  async function carryInTurn(recipient: string, client: string): Promise<void> {
    using place = await places.take(stopping.signal, client).catch(() => undefined)
    if (place !== undefined) await carryAll(recipient)
    // Another gateway, the next look or the next start may have it.
    else await store.renew({ by: engine.peerId, recipient, until: now() })
  }

  /** A recipient that was there and took nothing, as one that has blocked this gateway and hangs up: that it is there again is no news. */
  function notNews(recipient: string, ms: number): void {
    untaken.delete(recipient)
    untaken.set(recipient, performance.now() + ms)
    const [oldest] = untaken.keys()
    if (untaken.size > maxUntaken && oldest !== undefined) untaken.delete(oldest)
  }

  /** Whoever has a link to the recipient sends to it, whichever gateway was to try next. */
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
    // Another gateway, or the next start, goes on at once.
    if (stopping.signal.aborted) await store.renew({ by, recipient, until: now() })
  }

  /** Doubles from failure to failure, with a jitter of a half. */
  async function pause(recipient: string): Promise<number> {
    const ms = Math.min(limits.lastDeliveryRetryMs, limits.firstDeliveryRetryMs * 2 ** Math.min(30, await store.attempts(recipient)))
    return Math.round(ms * (0.5 + random() / 2))
  }

  return {
    wake,
    watch: changes.watch,
    queued(recipient, client) {
      // What an earlier life has left is taken over first.
      if (!isResumed) return wake()
      begin(recipient, client).catch((err: unknown) => logger.debug({ err }, 'a recipient could not be claimed; the next look finds it'))
    },
    async start() {
      stopping = new AbortController()
      isResumed = false
      timer = setInterval(wake, lookMs)
      unlisten = engine.listen((event) => {
        if (event.type !== 'peer:connect') return
        const { peerId } = event.peer
        courier.arrived(peerId)
        appeared(peerId).catch((err: unknown) => logger.debug({ err }, 'a recipient that is here could not be taken'))
      })
      wake()
    },
    async stop() {
      unlisten?.()
      clearInterval(timer)
      timer = undefined
      stopping.abort()
      await looking
      await Promise.all(carrying.values())
    },
  }
}
