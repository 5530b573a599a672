import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { createDeadline } from '../../../lib/deadline.ts'
import type { Limits } from '../../../limits.ts'
import type { Asker } from '../../asker.ts'
import type { EngineEvent } from '../../engine.ts'
import type { InboundGate } from '../../inbound-gate.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createTrafficCounter, type PeerExchange } from '../../peer-traffic.ts'
import type { Reading } from '../../reading.ts'
import type { Node } from '../node.ts'
import { openPing } from '../ping.ts'
import { directFirst } from '../transport/direct-first.ts'
import { openFor } from '../transport/open-for.ts'
import { type Announced, createAnnounced } from './announced.ts'
import { boundGossip } from './gossip-frames.ts'
import { gossipInternals } from './gossip-internals.ts'
import { createGossipLanes, type GossipLanes } from './gossip-lanes.ts'
import { createGossipLinks, type GossipLinks } from './gossip-links.ts'
import { topicScoreParams } from './gossip-options.ts'
import { gossipTraits } from './gossip-traits.ts'
import { createRawPublish, type RawPublish } from './raw-publish.ts'
import { splitControl } from './split-control.ts'
import { verifyGossip } from './verify-gossip.ts'

/** The gossip of one node: what this folder puts around gossipsub, put together. */
export interface NodeGossip {
  raw: RawPublish
  links: GossipLinks
  lanes: GossipLanes
  announced: Announced
  subscribe(topic: string): void
  unsubscribe(topic: string): void
  exchangeOf(peerId: string): PeerExchange
  /** The last link to the peer has ended. */
  gone(peerId: string): void
}

export function createNodeGossip(
  init: { limits: Limits },
  components: {
    node: Node
    agentOf(peerId: string): string | null
    /** The protocols that a peer speaks; empty until it has said. */
    spoken(peerId: string): string[]
    gate: InboundGate
    reading: Reading
    askerOf(connection: Connection): Asker
    emit(event: EngineEvent): void
    reached: LimitsReached
  },
): NodeGossip {
  const { limits } = init
  const { node, agentOf, spoken, gate, reading, askerOf, emit, reached } = components
  const { pubsub } = node.services
  const internals = gossipInternals(pubsub)
  const frames = boundGossip(internals, { askerOf, reading, reached })
  splitControl(internals, { measuresStrictly: (other) => gossipTraits(agentOf(other)).measuresStrictly })
  const isLinked = (other: string) => node.getConnections(peerIdFromString(other)).length > 0
  const traffic = createTrafficCounter({ isLinked })
  verifyGossip(internals, { gate, linkOf: frames.linkOf, traffic })
  const lanes = createGossipLanes(
    { limits },
    {
      internals,
      traits: (other) => gossipTraits(agentOf(other)),
      isLinked,
      async openPing(other) {
        const [connection] = directFirst(node.getConnections(peerIdFromString(other)))
        if (connection === undefined) throw new Error('there is no link')
        using deadline = createDeadline(limits.pingTimeoutMs, [])
        return await openPing(connection, deadline.signal)
      },
      emit,
      traffic,
      reached,
    },
  )
  const announced = createAnnounced({
    internals,
    linkAge: (other) => Math.min(...node.getConnections(peerIdFromString(other)).map(openFor)),
    ordersItself: (other) => gossipTraits(agentOf(other)).catchesUp,
    emit,
  })
  const links = createGossipLinks({
    pubsub,
    internals,
    connections: () => node.getConnections(),
    spoken,
    onReachable: (other, subscribed) => {
      announced.recap(other, subscribed)
      lanes.opened(other)
      for (const topic of subscribed) emit({ type: 'topic:subscribe', peerId: other, topic })
    },
    onBroken: lanes.broken,
    onRefused: lanes.refused,
  })
  /** How each subscribed topic's messages count for and against peers. */
  const scored = internals.score.params.topics

  return {
    raw: createRawPublish({ internals, lanes }),
    links,
    lanes,
    announced,
    subscribe(topic) {
      scored[topic] = topicScoreParams
      announced.subscribed(topic)
      pubsub.subscribe(topic)
    },
    unsubscribe(topic) {
      announced.unsubscribed(topic)
      pubsub.unsubscribe(topic)
    },
    exchangeOf: (other) => ({ traffic: traffic.of(other), score: internals.score.score(other) }),
    gone(other) {
      lanes.gone(other)
      links.gone(other)
      traffic.gone(other)
    },
  }
}
