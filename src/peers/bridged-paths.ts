import { BoundedMap } from '../lib/bounded-map.ts'

/** The bridges through which peers that are not linked have answered in the last minutes. */
export interface BridgedPaths {
  /** The peer has answered through the bridge. Returns whether that is news. */
  note(peerId: string, bridge: string): boolean
  of(peerId: string): BridgedPath | undefined
}

export interface BridgedPath {
  /** The bridge's peer id. */
  via: string
  /** When the peer answered through it first, without a longer pause since, in milliseconds since the epoch. */
  since: number
}

const shownMs = 300_000
/** Milliseconds between two notes of one path, so that a busy one is not news with each answer. */
const notedMs = 60_000
const maxPaths = 1_000

export function createBridgedPaths(components: { now?: () => number; wallNow?: () => number } = {}): BridgedPaths {
  const { now = () => performance.now(), wallNow = Date.now } = components
  const paths = new BoundedMap<string, BridgedPath & { at: number }>({ max: maxPaths })
  return {
    note(peerId, bridge) {
      const known = paths.get(peerId)
      const isSame = known?.via === bridge && now() - known.at < shownMs
      if (isSame && now() - known.at < notedMs) return false
      paths.set(peerId, { via: bridge, since: isSame ? known.since : wallNow(), at: now() })
      return true
    },
    of(peerId) {
      const path = paths.get(peerId)
      return path !== undefined && now() - path.at < shownMs ? { via: path.via, since: path.since } : undefined
    },
  }
}
