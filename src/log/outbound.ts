import type { Logger } from 'pino'
import type { NetworkKind, P2PEngine } from '../engine/engine.ts'
import { recipientsOn } from '../engine/recipients.ts'
import { BoundedMap } from '../lib/bounded-map.ts'
import type { Seq } from '../model/cursor.ts'
import type { StoredMessage } from '../model/message.ts'
import { directTopic } from '../model/topic.ts'
import type { LogStore } from '../store/log-store.ts'
import { createNetworkCounts, type NetworkCounts } from './network-counts.ts'
import { createNetworkOutbound, type NetworkOutbound, type OutboundLimits, type SentMark, type WayOut } from './network-outbound.ts'

/**
 * Which stored messages go to which network: those of this node to each; on a bridge also those of other authors, to
 * the network that they did not come from. How they get there is network-outbound.ts.
 */
export interface Outbound {
  start(): Promise<void>
  /**
   * Sends messages that are in the log, in order. Returns for each own message, by its seq, the number of peers that it
   * was handed to; a peer that is linked on two networks counts once.
   */
  send(batch: StoredMessage[]): Promise<Map<Seq, number>>
  /**
   * Notes that a network brought this message, and forwards it itself, so that it is not handed back to it. False when
   * the network was handed the message before: then it has nothing to forward.
   */
  cameFrom(id: string, network: NetworkKind): boolean
  /** Takes `cameFrom` back: the network does not forward the message. */
  notFrom(id: string, network: NetworkKind): void
  /** Number of topics with messages that no subscriber was there for. */
  readonly waiting: number
  /** The same for each network, and what became of its messages. */
  readonly networks: NetworkBacklog[]
  stop(): Promise<void>
}

export interface NetworkBacklog extends Pick<NetworkCounts, 'bridged' | 'givenUp'> {
  network: NetworkKind
  waiting: number
}

export interface OutboundComponents {
  engine: Pick<P2PEngine, 'peerId' | 'bridge'> & { readonly networks: readonly WayOut[] }
  log: Pick<LogStore, 'position' | 'read' | 'find' | 'sentThrough' | 'markSent'>
  logger: Logger
  /** Age time. */
  age?: () => number
  /** Age time, which stands still while the clock is not trusted. */
  settledAge?: () => number
}

/** Of a message of another author, the networks that brought it, and those that were handed it. */
type Passage = Partial<Record<NetworkKind, 'brought' | 'handed'>>

/**
 * Maximum messages whose networks are remembered, about 150 bytes each: some seconds at the highest rates. A message
 * beyond them is handed back at worst, to peers that know its id.
 */
const maxPassages = 20_000

/**
 * A fetched message that was seen first this long ago at most, in milliseconds, is handed to a peer that has just been
 * linked. Peers of other implementations remember the ids of messages for longer.
 */
const recentMs = 60_000

export function createOutbound(init: { limits: OutboundLimits }, components: OutboundComponents): Outbound {
  const { engine, log, logger, age = Date.now, settledAge = age } = components
  const { peerId, bridge, networks } = engine
  const passages = new BoundedMap<string, Passage>({ max: maxPassages })
  const ways = networks.map((network) => {
    const counts = createNetworkCounts({ peerId, windowMs: init.limits.unsentWindowMs }, { network })
    return { network, counts, outbound: outboundTo(network, counts) }
  })

  function outboundTo(network: WayOut, counts: NetworkCounts): NetworkOutbound {
    return createNetworkOutbound(
      {
        ...init,
        author: bridge === undefined ? peerId : undefined,
        isToSend: (message) => message.topic !== directTopic && (message.from === peerId ? isNew(message) : crosses(message, network)),
        isToFeed: (message) => isFor(network, message, isNew(message)),
        isToBegin: (message) => isFor(network, message, isRecent(message)),
        onSend: (messages) => noteHanded(messages, network),
      },
      { network, log, mark: markOf(network), counts, logger, age, settledAge },
    )
  }

  /** Gateways fetch older messages for themselves, and others would be flooded with them. */
  function crosses({ id, topic, firstSeenAt = Number.POSITIVE_INFINITY }: StoredMessage, { kind }: WayOut): boolean {
    if (bridge?.carries(topic, kind) !== true || firstSeenAt < settledAge() - init.limits.unsentWindowMs) return false
    return passages.get(id)?.[kind] !== 'brought'
  }

  /** Whether a straggler of the network is handed a message: a live one, or one that was fetched. */
  function isFor(network: WayOut, message: StoredMessage, isLive: boolean): boolean {
    return isLive ? belongs(message, network) : message.from !== peerId && crosses(message, network)
  }

  function isRecent({ firstSeenAt = Number.POSITIVE_INFINITY }: StoredMessage): boolean {
    return firstSeenAt >= settledAge() - recentMs
  }

  /** Whether a network has live messages like this one: our own, those that it brought, and those that are carried to it. */
  function belongs({ id, from, topic }: StoredMessage, { kind }: WayOut): boolean {
    return bridge === undefined || from === peerId || bridge.carries(topic, kind) || passages.get(id)?.[kind] === 'brought'
  }

  function noteHanded(messages: StoredMessage[], { kind }: WayOut): void {
    if (bridge === undefined) return
    for (const { id, from } of messages) if (from !== peerId) passages.set(id, { [kind]: 'handed', ...passages.get(id) })
  }

  /**
   * The mark of the only network has this node's peer id for a name. A bridge has one for each network besides, and
   * keeps that one at the lower of them, so that a node that becomes or was a bridge goes on where it was.
   */
  function markOf({ kind }: WayOut): SentMark {
    if (bridge === undefined) return { read: () => log.sentThrough(peerId), raise: (through) => log.markSent(peerId, through) }
    const name = `${peerId}/${kind}`
    return {
      read: async () => (await log.sentThrough(name)) || (await log.sentThrough(peerId)),
      async raise(through) {
        await log.markSent(name, through)
        await log.markSent(peerId, Math.min(...ways.map(({ outbound }) => outbound.marked)))
      },
    }
  }

  async function counted(batch: StoredMessage[], handed: Array<Map<Seq, number>>): Promise<Map<Seq, number>> {
    const own = batch.filter(({ from, seq }) => from === peerId && handed.some((each) => each.has(seq)))
    const counts = handed.map((each) => own.map(({ seq }) => each.get(seq) ?? 0))
    const recipients = await recipientsOn(networks, own, counts)
    return new Map(own.map(({ seq }, index) => [seq, recipients[index] ?? 0]))
  }

  return {
    async start() {
      for (const { outbound } of ways) await outbound.start()
    },
    async send(batch) {
      const handed = await Promise.all(ways.map(({ outbound }) => outbound.send(batch)))
      return await counted(batch, handed)
    },
    cameFrom(id, network) {
      const passage = passages.get(id)
      if (passage?.[network] === 'handed') return false
      passages.set(id, { ...passage, [network]: 'brought' })
      return true
    },
    notFrom(id, network) {
      const { [network]: _, ...others } = passages.get(id) ?? {}
      if (Object.keys(others).length > 0) passages.set(id, others)
      else passages.delete(id)
    },
    get waiting() {
      return new Set(ways.flatMap(({ outbound }) => outbound.waiting())).size
    },
    get networks() {
      return ways.map(({ network, counts, outbound }) => {
        const { bridged, givenUp } = counts
        return { network: network.kind, waiting: outbound.waiting().length, bridged, givenUp }
      })
    },
    async stop() {
      for (const { outbound } of ways) await outbound.stop()
    },
  }
}

/** Whether the message was live when it came; a message that a peer kept is in that peer's network already. */
function isNew({ firstSeenAt }: StoredMessage): boolean {
  return firstSeenAt === undefined
}
