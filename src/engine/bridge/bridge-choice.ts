import { BoundedMap } from '../../lib/bounded-map.ts'
import type { ConnectedPeer } from '../engine.ts'

/**
 * Chooses the bridges that are asked for one thing. Any peer may say that it is a bridge, and few are asked, so that those
 * who bring nothing must not take the places of those who do. The places go in turn to bridges that have brought something,
 * to others that this node has dialled, and to others that have dialled it; of each kind first to those that were not asked
 * for the longest time.
 */
export interface BridgeChoice {
  /** The peer ids of at most `max` of them. */
  choose(bridges: Array<Pick<ConnectedPeer, 'peerId' | 'direction'>>): string[]
  /** The bridge has brought what it could not have made up. */
  brought(bridge: string): void
}

/** Maximum remembered bridges of each kind; the one that was asked, or has brought something, longest ago is forgotten first. */
const maxRemembered = 1_000

export function createBridgeChoice({ max }: { max: number }): BridgeChoice {
  const useful = new BoundedMap<string, true>({ max: maxRemembered })
  const askedAt = new BoundedMap<string, number>({ max: maxRemembered })
  let turn = 0

  return {
    choose(bridges) {
      const lastAsked = ({ peerId }: { peerId: string }) => askedAt.get(peerId) ?? 0
      const kinds = [0, 1, 2].map((kind) =>
        bridges
          .filter(({ peerId, direction }) => kind === (useful.has(peerId) ? 0 : direction === 'outbound' ? 1 : 2))
          .toSorted((a, b) => lastAsked(a) - lastAsked(b)),
      )
      const inTurn = bridges.flatMap((_, place) => kinds.flatMap((each) => each[place]?.peerId ?? []))
      const chosen = inTurn.slice(0, max)
      turn++
      for (const peerId of chosen) askedAt.set(peerId, turn)
      return chosen
    },
    brought: (bridge) => void useful.set(bridge, true),
  }
}
