import { type FrameOf, frameBounds, type OverlayFrame, type SampledPeer } from './frames.ts'
import type { OverlayLimits } from './limits.ts'
import type { Link, Links } from './links.ts'
import type { PeerRecord } from './overlay.ts'
import { type PartialView, pick, sample } from './partial-view.ts'
import type { Walks } from './walks.ts'

/** The exchange of samples of a view (HyParView §4.4), which keeps the reserve of each node fresh. */
export interface Shuffles {
  /** Sends a sample to a neighbour. It passes it on for `hops` more links; with 0 it answers itself. */
  begin(peerId: string, hops: number): void
  receive(link: Link, frame: FrameOf<'shuffle'>): void
}

/** Neighbours in a sample (HyParView: ka = 3), and peers of the reserve (kp = 4). */
const sampledActive = 3
const sampledPassive = 4

export interface ShufflesComponents {
  random(): number
  send(peerId: string, frame: OverlayFrame): boolean
  /** Sends a walk of another node, if the peer takes more of them. */
  passOn(peerId: string, frame: OverlayFrame): void
  readonly links: Links
  readonly walks: Walks
  self(): PeerRecord
  /** Topics to name with a peer in a sample. */
  topicsOf(peerId: string): string[]
  learn(peers: readonly SampledPeer[], by: string): void
}

export function createShuffles(
  init: { topic?: string; peerId: string; limits: OverlayLimits; peers: PartialView },
  components: ShufflesComponents,
): Shuffles {
  const { topic, limits, peers } = init
  const { random, send, passOn, links, walks } = components
  const about = topic === undefined ? {} : { topic }

  /** A shuffle of a topic's subscribers is about that topic only. */
  function topicsOf(peerId: string): string[] {
    return topic === undefined ? components.topicsOf(peerId) : [topic]
  }

  function sampled(peerId: string): SampledPeer[] {
    const link = links.get(peerId)
    return link === undefined ? [] : [{ peer: link.record, topics: topicsOf(peerId) }]
  }

  function sampleOf(except?: string): SampledPeer[] {
    const neighbors = sample(
      [...peers.active].filter((peerId) => peerId !== except),
      sampledActive,
      random,
    )
    const reserve = peers.samplePassive(sampledPassive).map((peer) => ({ peer, topics: topicsOf(peer.peerId) }))
    const self = { peer: components.self(), topics: topicsOf(init.peerId) }
    return [self, ...neighbors.flatMap(sampled), ...reserve].slice(0, frameBounds.samplePeers)
  }

  return {
    begin(peerId, hops) {
      send(peerId, { type: 'shuffle', token: walks.begin(), ...about, hops, peers: sampleOf(peerId) })
    },
    receive(link, frame) {
      const next = pick(
        [...peers.active].filter((peerId) => peerId !== link.peerId),
        random,
      )
      if (frame.hops > 0 && next !== undefined) {
        if (walks.pass(frame.token, link.peerId)) passOn(next, { ...frame, hops: Math.min(frame.hops, limits.shuffleHops) - 1 })
        return
      }
      send(link.peerId, { type: 'shuffle-reply', token: frame.token, peers: sampleOf() })
      components.learn(frame.peers, link.peerId)
    },
  }
}
