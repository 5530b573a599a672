import type { BroadcastTopic, BroadcastTopics } from './broadcast-topics.ts'
import type { FrameOf, OverlayFrame } from './frames.ts'
import type { Beacon } from './renewal.ts'

/** Renews the trees of topics: sends and passes on beacons. When and from where is decided in renewal.ts. */
export interface Beacons {
  receive(from: string, frame: FrameOf<'beacon'>): void
  /** A message has passed in the topic. Topics without messages cost no time. */
  passed(topic: string): void
  tick(): void
}

export interface BeaconsComponents {
  topics: BroadcastTopics
  send(peerId: string, frame: OverlayFrame): boolean
  isSubscribed(topic: string): boolean
  /** Makes the link to the peer part of the tree, at both ends. */
  graft(topic: string, state: BroadcastTopic, peerId: string): void
}

export function createBeacons({ topics, send, isSubscribed, graft }: BeaconsComponents): Beacons {
  /** Topics that may have something due. */
  const lively = new Set<string>()

  function receive(from: string, { topic, round, rank }: FrameOf<'beacon'>): void {
    const state = topics.get(topic)
    if (state === undefined || !isSubscribed(topic) || !state.tree.has(from)) return
    if (state.renewal.adopt({ round, rank }, from)) {
      renew(topic, state, { round, rank }, from)
      graft(topic, state, from)
    } else if (state.renewal.crossed({ round, rank }, from)) {
      state.aside.add(from)
      lively.add(topic)
    }
  }

  /** Passes a beacon on. A link that it crosses both ways is no part of the tree. */
  function renew(topic: string, state: BroadcastTopic, beacon: Beacon, parent: string | undefined): void {
    lively.add(topic)
    state.aside.clear()
    state.isGrown = true
    for (const peers of [state.tree.eager, state.tree.lazy]) {
      for (const peerId of peers) if (peerId !== parent) send(peerId, { type: 'beacon', topic, ...beacon })
    }
  }

  function tick(): void {
    for (const topic of lively) {
      const state = topics.get(topic)
      if (state === undefined) {
        lively.delete(topic)
        continue
      }
      if (state.aside.size > 0 && state.renewal.phase !== 'making') {
        for (const peerId of state.aside) state.tree.makeLazy(peerId)
        if (state.renewal.phase === undefined) state.aside.clear()
      }
      const beacon = isSubscribed(topic) ? state.renewal.due() : undefined
      if (beacon !== undefined && state.renewal.adopt(beacon, undefined)) renew(topic, state, beacon, undefined)
      if (state.aside.size === 0 && !state.renewal.isWaiting) lively.delete(topic)
    }
  }

  return { receive, passed: (topic) => void lively.add(topic), tick }
}
