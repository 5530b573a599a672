import type { GossipSub } from '@libp2p/gossipsub'
import type { Connection } from '@libp2p/interface'
import { directFirst } from '../transport/direct-first.ts'
import { openFor } from '../transport/open-for.ts'
import type { GossipInternals, OutboundGossip } from './gossip-internals.ts'

/**
 * Keeps gossip flowing on every link. A peer's subscriptions may be known before the stream to it is open; gossipsub
 * does not take such a peer into the mesh until the next heartbeat, and a message forwarded in between is lost.
 * gossipsub also never opens a second stream on a link: a peer whose stream was reset, or ended with a second
 * connection, would receive nothing. The same holds for a stream whose other end was closed: rust-libp2p closes it when
 * an RPC is too large, and stops reading; gossipsub would continue to write.
 *
 * When the stream of a go-libp2p peer ends, the peer forgets the topics of this node, which are told only on a new
 * stream to it. So they are told again when the peer opens another stream.
 */
export interface GossipLinks {
  /** Whether messages can be sent to the peer now. */
  reaches(peerId: string): boolean
  /**
   * Leaves the meshes of a peer whose stream is about to end. What it publishes until it has another one is lost, but
   * it announces its messages of the last heartbeats to subscribers outside its mesh, and sends what they ask for.
   */
  leaveMeshes(peerId: string): Promise<void>
  /** The last link to the peer has ended. */
  gone(peerId: string): void
}

/** Milliseconds for a new connection to get its stream normally, and heartbeats between repair attempts. */
const graceMs = 3_000
const mendEvery = 3
/** Milliseconds before a stream that the peer ended is reopened: doubled each time, until a stream has lasted. */
const firstReopenMs = 50
const lastReopenMs = 60_000
const lastingMs = 60_000
/** Milliseconds between two times that a peer is told all topics again: it decides how often it opens a stream. */
const tellAgainMs = 1_000
/** Maximum meshes that are left; a PRUNE takes some 60 bytes of those that a stream keeps for control. */
const maxLeft = 1_000

export function createGossipLinks(components: {
  pubsub: GossipSub
  internals: GossipInternals
  connections: () => Connection[]
  /** The protocols of the peer; empty when it has not identified itself, or the answer was lost. */
  spoken: (peerId: string) => string[]
  /** Called when a peer with known topics can be sent to. */
  onReachable: (peerId: string, topics: string[]) => void
  /** Called when the stream to a peer has ended and a link remains. */
  onBroken: (peerId: string) => void
  /** Called when the peer has ended the stream but not the link. */
  onRefused: (peerId: string) => void
}): GossipLinks {
  const { pubsub, internals, connections, spoken, onReachable, onBroken, onRefused } = components
  const { streamsOutbound, topics } = internals
  /** Pauses of peers that have ended a stream, by the monotonic clock. */
  const pauses = new Map<string, { ms: number; until: number }>()
  /** Peers that have opened a stream, and when they were told the topics again. */
  const heard = new Map<string, { toldAt: number; timer?: NodeJS.Timeout }>()
  let heartbeats = 0

  function opened(peerId: string): void {
    if (!streamsOutbound.has(peerId)) return
    const subscribed = [...topics].filter(([, peers]) => peers.has(peerId)).map(([topic]) => topic)
    const grafted = subscribed.filter((topic) => internals.graftOnSubscribe(peerId, topic))
    if (grafted.length > 0) internals.sendGraft(peerId, grafted)
    if (subscribed.length > 0) onReachable(peerId, subscribed)
  }

  /** Aborts the stream when the peer closes its end. Once the stream is closed, for any reason, another is opened. */
  function watch(peerId: string, { rawStream }: OutboundGossip): void {
    const openedAt = performance.now()
    const connection = linksOf(peerId).find(({ streams }) => streams.includes(rawStream))
    let isClosedThere = false
    const close = () => {
      isClosedThere = true
      rawStream.abort(new Error('the peer reads no more'))
    }
    rawStream.addEventListener('remoteCloseWrite', close, { once: true })
    rawStream.addEventListener(
      'close',
      () => ended(peerId, performance.now() - openedAt, isClosedThere || rawStream.status === 'reset' ? connection : undefined),
      { once: true },
    )
  }

  /** @param refusing the connection whose stream the peer has ended; if the connection ends too, that was the reason */
  function ended(peerId: string, lastedMs: number, refusing: Connection | undefined): void {
    if (linksOf(peerId).length === 0) return
    onBroken(peerId)
    const before = lastedMs < lastingMs ? pauses.get(peerId) : undefined
    const ms = before === undefined ? firstReopenMs : Math.min(2 * before.ms, lastReopenMs)
    pauses.set(peerId, { ms, until: performance.now() + ms })
    setTimeout(() => {
      if (refusing?.status === 'open') onRefused(peerId)
      linksOf(peerId).filter(isWithout).slice(0, 1).forEach(mend)
    }, ms).unref()
  }

  function linksOf(peerId: string): Connection[] {
    return directFirst(connections().filter(({ remotePeer, status }) => status === 'open' && remotePeer.toString() === peerId))
  }

  function isWithout(connection: Connection): boolean {
    const peerId = connection.remotePeer.toString()
    return !streamsOutbound.has(peerId) && (pauses.get(peerId)?.until ?? 0) <= performance.now() + 1
  }

  function isBroken(connection: Connection): boolean {
    const peerId = connection.remotePeer.toString()
    const settled = connection.status === 'open' && openFor(connection) > graceMs
    return settled && isWithout(connection) && (inboundStreams(connection).length > 0 || maySpeak(peerId))
  }

  function maySpeak(peerId: string): boolean {
    const protocols = spoken(peerId)
    return protocols.length === 0 || protocols.some((protocol) => pubsub.protocols.includes(protocol))
  }

  function inboundStreams({ streams }: Connection) {
    return streams.filter(({ direction, protocol }) => direction === 'inbound' && pubsub.protocols.includes(protocol))
  }

  function mend(connection: Connection): void {
    // If gossipsub has removed the peer, its topics are gone too; the peer sends them again on a new stream.
    const forgotten = !internals.peers.has(connection.remotePeer.toString())
    if (forgotten) for (const stream of inboundStreams(connection)) stream.abort(new Error('tell the topics again'))
    internals.onPeerConnected(connection.remotePeer, connection)
  }

  function tellAgain(peerId: string): void {
    internals.sendSubscriptions(peerId, pubsub.getTopics(), true)
    const meshed = [...internals.mesh].flatMap(([topic, peers]) => (peers.has(peerId) ? topic : []))
    if (meshed.length > 0) internals.sendGraft(peerId, meshed)
  }

  const { onIncomingStream } = internals
  internals.onIncomingStream = (stream, connection) => {
    onIncomingStream.call(internals, stream, connection)
    const peerId = connection.remotePeer.toString()
    const before = heard.get(peerId)
    if (before === undefined) heard.set(peerId, { toldAt: Number.NEGATIVE_INFINITY })
    if (before === undefined || before.timer !== undefined) return
    const waitMs = Math.max(0, before.toldAt + tellAgainMs - performance.now())
    const tell = () => {
      heard.set(peerId, { toldAt: performance.now() })
      if (streamsOutbound.has(peerId)) tellAgain(peerId)
    }
    before.timer = setTimeout(tell, waitMs).unref()
  }

  const { set } = streamsOutbound
  streamsOutbound.set = (peerId, stream) => {
    // gossipsub listens for the end of a stream from now on, and would keep one that has ended already for good.
    if (hasEnded(stream)) {
      stream.rawStream.abort(new Error('the peer reads no more'))
      ended(peerId, 0, undefined)
      return streamsOutbound
    }
    // gossipsub sends this node's subscriptions right after this; a graft must follow them.
    queueMicrotask(() => opened(peerId))
    watch(peerId, stream)
    return set.call(streamsOutbound, peerId, stream)
  }
  pubsub.addEventListener('gossipsub:heartbeat', () => {
    if (++heartbeats % mendEvery === 0) connections().filter(isBroken).forEach(mend)
  })

  return {
    reaches: (peerId) => streamsOutbound.has(peerId),
    async leaveMeshes(peerId) {
      const shared = pubsub.getTopics().filter((topic) => topics.get(topic)?.has(peerId) === true)
      for (const topic of shared.slice(0, maxLeft)) {
        internals.mesh.get(topic)?.delete(peerId)
        await internals.sendPrune(peerId, topic)
      }
    },
    gone(peerId) {
      pauses.delete(peerId)
      clearTimeout(heard.get(peerId)?.timer)
      heard.delete(peerId)
    },
  }
}

/** Whether it has ended at this end, or at the peer's, as when the peer drops an earlier connection at that moment. */
function hasEnded({ rawStream: { status, remoteWriteStatus } }: OutboundGossip): boolean {
  return remoteWriteStatus === 'closed' || (status !== 'open' && status !== 'closing')
}
