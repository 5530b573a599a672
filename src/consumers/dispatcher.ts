import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import { ConsumerNotFound } from '../errors.ts'
import { createLoop } from '../lib/loop.ts'
import type { Hub } from '../log/hub.ts'
import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import { subscriptionFilter } from '../model/topic.ts'
import {
  type ConsumerItem,
  type ConsumerRecord,
  type ConsumerStore,
  type ItemClaim,
  maxAhead,
  type Taken,
} from '../store/consumer-store.ts'
import type { LogStore } from '../store/log-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { readFresh } from './fresh-messages.ts'
import { type HandedOut, type Work, type Worker, WorkerClaims } from './workers.ts'

/** Hands out the messages of a consumer to its workers at this gateway. Gateways of one database share its items. */
export interface Dispatcher {
  readonly workers: number
  /** Messages that were handed out here, each as often as it was. */
  readonly delivered: number
  /** Hands out messages to the worker until it ends its work. */
  attach(worker: Worker): Work
  /** These items are settled: they no longer count as its worker's. With a `claim`, if the worker has it by that one. */
  settled(items: Iterable<{ id: string; claim?: string }>): void
  /** This claim ends later. */
  extended(claim: ItemClaim, until: number): void
  /** Something may have changed: there is room, or an item is due. */
  wake(): void
  /** Resolves when what is there now was handed out. */
  tried(): Promise<void>
  /** Gives back what workers have, and hands out no more. */
  stop(): Promise<void>
  /** The consumer is gone: ends the workers. */
  end(): void
}

export interface DispatcherComponents {
  store: ConsumerStore
  log: Pick<LogStore, 'find'>
  hub: Pick<Hub, 'read' | 'follow' | 'tip' | 'epoch'>
  metrics: Pick<Metrics, 'handedOut'>
  logger: Logger
  /** Resolves when the verdicts that are on their way to the store now, if there are any, are there. */
  settling(): Promise<void> | undefined
  /** Age time. */
  age(): number
}

interface Claiming extends Pick<Worker, 'once'> {
  claim: string
  until: number
}

/** Whose claims those of requests are: they stay with the client while the gateway starts anew, for `ackWaitMs`. */
const nobody = ''
/** Maximum messages that one round hands out. */
const maxRound = 256
/** Milliseconds after which workers with room look again for what other gateways have changed. */
const lookAgainMs = 1_000

export function createDispatcher(
  init: { consumer: ConsumerRecord; peerId: string; maxBytes: number },
  components: DispatcherComponents,
): Dispatcher {
  const { peerId, maxBytes } = init
  const { name, createdAt } = init.consumer
  const { store, log, hub, metrics, logger, settling, age } = components
  const workers = new WorkerClaims()
  /** Claims of workers that have left, on their way back. */
  const leaving = new Set<Promise<void>>()
  /** As last seen: another gateway may have moved it on. */
  let consumer = init.consumer
  let open = 0
  /** Whether what was taken in before is enough for the next round. */
  let isLeft = false
  let delivered = 0
  let timer: NodeJS.Timeout | undefined
  /** When the database was last asked for what was settled elsewhere; `undefined` when the timer asks for it. */
  let lookedAt: number | undefined = age()
  let isStopped = false
  /** Whether the last round was for requests that wait: connections have their turn in between. */
  let servedOnce = false
  const loop = createLoop({
    work,
    onError(err) {
      for (const worker of workers.all) {
        if (!worker.once) continue
        workers.remove(worker)
        worker.ended(err)
      }
      logger.warn({ err, consumer: name }, 'could not hand out messages of a consumer')
      lookAgain(lookAgainMs)
    },
  })
  const unfollow = hub.follow(subscriptionFilter(consumer.settings), () => wake())

  function wake(): void {
    if (!isStopped && workers.size > 0) loop.ask()
  }

  function lookAgain(ms: number): void {
    clearTimeout(timer)
    timer = isStopped ? undefined : setTimeout(look, ms).unref()
  }

  function look(): void {
    lookedAt = undefined
    wake()
  }

  async function work(): Promise<void> {
    while (!isStopped && (await round()));
  }

  /** Hands out messages once. Returns whether there may be more to hand out at once. */
  async function round(): Promise<boolean> {
    // Workers are about to have more room: fewer and larger transactions.
    await settling()
    if (isStopped) return false
    const now = age()
    workers.endBefore(now)
    const kind = { once: workers.room({ once: true }) > 0 && (!servedOnce || workers.room({ once: false }) <= 0) }
    servedOnce = kind.once
    const limit = Math.min(maxRound, workers.room(kind))
    // What workers have comes again when its time is over, whatever else happens.
    lookAgain(lookAgainMs)
    if (limit <= 0) {
      await freeSettledElsewhere()
      return false
    }
    const until = now + consumer.settings.ackWaitMs
    const ahead = isLeft ? 0 : aheadFor(limit)
    const fresh = ahead <= 0 ? undefined : await readFresh(consumer, { limit: ahead, maxBytes }, { hub })
    const claim = randomBytes(6).toString('base64url')
    const by = kind.once ? nobody : peerId
    const taken = await store.take({ name, createdAt, by, claim, now, until, limit, fresh: fresh?.taken })
    if (taken === undefined) {
      end()
      return false
    }
    const { position } = consumer
    consumer = taken.consumer
    open = taken.open
    isLeft = consumer.settings.order === 'none' && taken.isLeft
    await handOut(taken, { ...kind, claim, until }, fresh?.messages)
    lookAgain(Math.max(1, Math.min(lookAgainMs, (taken.nextAt ?? Number.POSITIVE_INFINITY) - age())))
    return taken.items.length > 0 || taken.parked > 0 || consumer.position !== position || (ahead === 0 && !isLeft && open < maxOpen())
  }

  /** How many messages may be taken in. Without lanes no more are than can be handed out. */
  function aheadFor(limit: number): number {
    const most = consumer.settings.order === 'none' ? limit : maxRound
    return Math.min(most, maxOpen() - open)
  }

  function maxOpen(): number {
    return consumer.settings.maxUnacked + maxAhead
  }

  /** A worker can be full of what was acknowledged at another gateway, or of a consumer that is gone. Seldom: it reads all claims. */
  async function freeSettledElsewhere(): Promise<void> {
    if (workers.size === 0 || (lookedAt !== undefined && age() - lookedAt < lookAgainMs)) return
    lookedAt = age()
    const claims = workers.claimed
    const held = await store.held({ name, createdAt, claims })
    if (held === undefined) {
      end()
      return
    }
    const still = new Set(held)
    const settled = claims.filter(({ id }) => !still.has(id))
    for (const { id, claim } of settled) workers.free(id, claim)
    if (settled.length > 0) loop.ask()
  }

  async function handOut({ items }: Taken, { once, claim, until }: Claiming, fresh = new Map<string, StoredMessage>()): Promise<void> {
    const older = items.map(({ id }) => id).filter((id) => !fresh.has(id))
    const room = Math.max(1, maxBytes - bytesOf(items.map(({ id }) => fresh.get(id)).filter((message) => message !== undefined)))
    const read = older.length === 0 ? [] : await log.find(older, room)
    const messages = new Map([...fresh, ...read.map((message) => [message.id, message] as const)])
    const missing = items.filter(({ id }) => !messages.has(id))
    if (missing.length > 0) await giveOrLose(missing, claim)
    const found = items.flatMap(({ id, attempt }) => {
      const message = messages.get(id)
      return message === undefined ? [] : [{ message, epoch: hub.epoch, attempt, claim }]
    })
    const { shares, left } = workers.share({ once }, found)
    for (const { worker, messages } of shares) hand(worker, messages, until)
    const unheld = left.map(({ message }) => message)
    await give(unheld, claim)
  }

  function hand(worker: Worker, share: HandedOut[], until: number): void {
    if (worker.once) workers.remove(worker)
    else for (const { message, claim } of share) workers.hold({ id: message.id, claim }, worker, until)
    delivered += share.length
    metrics.handedOut(share.length, share.filter(({ attempt }) => attempt > 1).length)
    worker.take(share)
  }

  /** Gives items back that no worker has got: their attempt does not count. */
  async function give(items: Array<{ id: string }>, claim: string): Promise<void> {
    const claims = items.map(({ id }) => ({ id, claim }))
    await release(claims, { uncounted: true })
  }

  async function release(claims: ItemClaim[], counting: { uncounted?: boolean } = {}): Promise<void> {
    if (claims.length > 0) await store.release({ name, now: age(), claims, ...counting })
  }

  /** What was not read found no room, or was pruned, deleted or damaged meanwhile. */
  async function giveOrLose(items: ConsumerItem[], claim: string): Promise<void> {
    const ids = items.map(({ id }) => id)
    const [there] = await log.find(ids, 1)
    if (there !== undefined) {
      // Those that are gone are among the next ones.
      await give(items, claim)
      return
    }
    const seqs: Seq[] = items.map(({ seq }) => seq)
    await store.lose(name, ids, { from: Math.min(...seqs) - 1, to: Math.max(...seqs) })
  }

  function end(): void {
    if (isStopped) return
    isStopped = true
    clearTimeout(timer)
    unfollow()
    for (const worker of workers.all) worker.ended(gone())
    workers.clear()
  }

  async function giveBack(claims: ItemClaim[], unbegun: string[]): Promise<void> {
    await release(
      claims.filter(({ id }) => unbegun.includes(id)),
      { uncounted: true },
    )
    await release(claims.filter(({ id }) => !unbegun.includes(id)))
  }

  function leave(worker: Worker, unbegun: string[]): void {
    const claims = workers.remove(worker)
    if (claims.length === 0 || isStopped) return
    const released = giveBack(claims, unbegun)
      .then(wake)
      .catch((err: unknown) =>
        logger.warn({ err, consumer: name }, 'could not give back what a worker had: it comes again after ackWaitMs'),
      )
      .finally(() => leaving.delete(released))
    leaving.add(released)
  }

  return {
    get workers() {
      return workers.size
    },
    get delivered() {
      return delivered
    },
    attach(worker) {
      if (isStopped) queueMicrotask(() => worker.ended(gone()))
      else workers.add(worker)
      wake()
      return { wake, end: (unbegun = []) => leave(worker, unbegun) }
    },
    settled(items) {
      for (const { id, claim } of items) workers.free(id, claim)
      wake()
    },
    extended: (claim, until) => workers.extend(claim, until),
    wake,
    tried: () => (isStopped ? Promise.resolve() : loop.next()),
    async stop() {
      isStopped = true
      clearTimeout(timer)
      unfollow()
      await Promise.all([loop.idle(), ...leaving])
      await release(workers.claimed)
      workers.clear()
    },
    end,
  }
}

function bytesOf(messages: StoredMessage[]): number {
  return messages.reduce((sum, { data }) => sum + data.length, 0)
}

function gone(): ConsumerNotFound {
  return new ConsumerNotFound('The consumer was removed.')
}
