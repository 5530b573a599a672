import type { Logger } from 'pino'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { createSerial } from '../../lib/serial.ts'
import { createSingleFlight } from '../../lib/single-flight.ts'
import { topicProblem } from '../../model/topic.ts'
import type { Network, P2PEngine } from '../engine.ts'
import { createWantedTopics } from './wanted-topics.ts'

/**
 * Subscriptions that a bridge has in one network because the other has subscribers: so their messages reach it, and it
 * is handed on. A subscription of the node itself is in both networks and owes nothing to this. A bridge subscribes for
 * others, so its subscription counts only if it says that it stands for somebody (interest-beyond.ts).
 */
export interface Interest {
  start(): void
  stop(): Promise<void>
  /** The node itself has subscribed to, or unsubscribed from, a topic. */
  changed(topic: string): Promise<void>
  /** Topics that are subscribed to in the network only for the other's sake. */
  topics(): string[]
  /** Whether a topic is one of those. */
  subscribes(topic: string): boolean
  /** Whether messages of the topic are for the other network: they came while it was subscribed to for it, and wait for `keptMs`. */
  has(topic: string): boolean
}

export interface InterestInit {
  /** Maximum topics in this network: those of the node itself, and those that the other's subscribers want. */
  maxTopics: number
  /** Whether messages of the topic may be handed from one network to the other. */
  mayCarry(topic: string): boolean
  /** Milliseconds for which a topic stays wanted after its last subscriber has left, who may come back. */
  keptMs: number
}

export interface InterestComponents {
  /** The network that is subscribed to. */
  engine: Pick<P2PEngine, 'subscribe' | 'unsubscribe'>
  /** The network whose subscribers want the messages. */
  other: Pick<Network, 'subscribers' | 'listen'>
  /** Topics of the node itself. */
  own: ReadonlySet<string>
  isBridge(peerId: string): boolean
  /** The key of a peer's address (`Asker`), at which peers share the topics. */
  hostOf(peerId: string): string
  /** Of these topics, those that bridges among the other network's peers want for who is not in it, with these bridges. */
  beyond(topics: string[]): Promise<ReadonlyMap<string, string[]>>
  /** A topic is not carried because of `maxTopics`. */
  onFull(): void
  /** A topic was subscribed to for the other network. */
  onBridged(topic: string): void
  logger: Logger
}

/** Milliseconds between two looks at what is still wanted. */
const lookMs = 5_000
/** Maximum topics without room that one look tries again while there is still no room. */
const maxConsidered = 100

export function createInterest(init: InterestInit, components: InterestComponents): Interest {
  const { maxTopics, mayCarry, keptMs } = init
  const { engine, other, own, isBridge, hostOf, beyond, onFull, onBridged, logger } = components
  const wanted = createWantedTopics({ hostOf })
  /** Topics that were given up, and until when what came before waits for a subscriber. */
  const ended = new BoundedMap<string, number>({ max: maxTopics })
  /** Topics that there was no room for, or that the engine failed to subscribe to, to be tried again. */
  const refused = new BoundedMap<string, undefined>({ max: maxTopics })
  /** Topics that only bridges are subscribed to. */
  const doubtful = new BoundedMap<string, undefined>({ max: maxTopics })
  const inTurn = createSerial()
  const asking = createSingleFlight(askBridges)
  let unlisten: (() => void) | undefined
  let timer: NodeJS.Timeout | undefined

  /** The peers of the other network that want the topic. Notes topics of which only bridges can say more. */
  async function wantersOf(topic: string): Promise<string[]> {
    const subscribers = await other.subscribers(topic)
    const wanters = subscribers.filter((peerId) => !isBridge(peerId))
    if (wanters.length > 0 || subscribers.length === 0) doubtful.delete(topic)
    else doubtful.set(topic, undefined)
    return wanters
  }

  async function consider(topic: string): Promise<void> {
    if (!mayCarry(topic) || topicProblem(topic) !== undefined) return
    const wanters = await wantersOf(topic)
    if (wanters.length > 0) return await take(topic, wanters)
    refused.delete(topic)
    if (doubtful.has(topic)) void asking.run()
  }

  /** Asks bridges about the topics that only they are subscribed to, while other topics are considered. */
  async function askBridges(): Promise<void> {
    const topics = [...doubtful.keys()]
    const found = topics.length === 0 ? undefined : await beyond(topics).catch(() => undefined)
    for (const [topic, bridges] of found ?? []) later(() => take(topic, bridges))
  }

  async function take(topic: string, wanters: string[]): Promise<void> {
    const isNew = !wanted.has(topic) && !own.has(topic)
    const wasRefused = refused.has(topic)
    refused.set(topic, undefined)
    if (isNew && !(hasRoom() || (await displace(wanters)))) return wasRefused ? undefined : onFull()
    if (isNew) await engine.subscribe(topic)
    wanted.note(topic, wanters)
    refused.delete(topic)
    if (isNew) onBridged(topic)
  }

  function hasRoom(): boolean {
    // The exact number costs a walk over all topics, which only a network that is nearly full needs.
    return own.size + wanted.size < maxTopics || own.size + borrowed().length < maxTopics
  }

  function borrowed(): string[] {
    return Array.from(wanted, ([topic]) => topic).filter((topic) => !own.has(topic))
  }

  async function giveUp(topic: string): Promise<void> {
    await engine.unsubscribe(topic)
    wanted.delete(topic)
    refused.set(topic, undefined)
    onFull()
  }

  /** Makes room for a topic of these peers by giving up one of a peer that has more. Returns whether there is such a one. */
  async function displace(wanters: string[]): Promise<boolean> {
    const topic = wanted.tooMany(borrowed(), wanters)
    if (topic !== undefined) await giveUp(topic)
    return topic !== undefined
  }

  /** Gives up what the other network wants, the newest first, for as many topics as the node itself has beyond the room. */
  async function makeRoom(): Promise<void> {
    if (own.size + wanted.size <= maxTopics) return
    for (const topic of borrowed().slice(Math.max(0, maxTopics - own.size))) await giveUp(topic)
  }

  /** Ends what nobody has wanted for a while, and takes what there was no room for before. */
  async function look(): Promise<void> {
    for (const [topic, at] of wanted) {
      const wanters = await wantersOf(topic)
      if (wanters.length > 0) wanted.note(topic, wanters)
      else if (performance.now() - at >= keptMs) {
        if (!own.has(topic)) await engine.unsubscribe(topic)
        wanted.delete(topic)
        ended.set(topic, performance.now() + keptMs)
      }
    }
    ended.deleteWhile((until) => until <= performance.now())
    for (const topic of [...doubtful.keys()]) await wantersOf(topic)
    void asking.run()
    let considered = 0
    for (const topic of [...refused.keys()]) {
      if (!hasRoom() && ++considered > maxConsidered) return
      await consider(topic)
    }
  }

  function later(work: () => Promise<void>): void {
    inTurn(work).catch((err: unknown) => logger.warn({ err }, 'a bridge could not change its subscriptions; another attempt follows'))
  }

  return {
    start() {
      unlisten ??= other.listen((event) => {
        if (event.type === 'topic:subscribe') later(() => consider(event.topic))
      })
      timer ??= setInterval(() => later(look), lookMs)
    },
    async stop() {
      unlisten?.()
      unlisten = undefined
      clearInterval(timer)
      timer = undefined
      await inTurn(async () => undefined)
    },
    changed: (topic) =>
      inTurn(async () => {
        if (own.has(topic)) {
          await makeRoom()
          await engine.subscribe(topic)
        } else if (!wanted.has(topic)) await engine.unsubscribe(topic)
      }),
    topics: borrowed,
    subscribes: (topic) => wanted.has(topic) && !own.has(topic),
    has: (topic) => wanted.has(topic) || ended.has(topic),
  }
}
