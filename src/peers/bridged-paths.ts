import { isDeepStrictEqual } from 'node:util'
import { BoundedMap } from '../lib/bounded-map.ts'

/** The bridges through which peers that are not linked have answered in the last minutes. */
export interface BridgedPaths {
  /** The peer has answered through a linked bridge, and those beyond it. Returns whether that is news. */
  note(peerId: string, bridge: string, beyond: string[]): boolean
  of(peerId: string): BridgedPath | undefined
}

export interface BridgedPath {
  /** The peer id of the linked bridge. */
  via: string
  /** Those of the bridges beyond it, in their order. */
  beyond: string[]
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
    note(peerId, bridge, beyond) {
      const known = paths.get(peerId)
      const isSame = known?.via === bridge && isDeepStrictEqual(known.beyond, beyond) && now() - known.at < shownMs
      if (isSame && now() - known.at < notedMs) return false
      paths.set(peerId, { via: bridge, beyond, since: isSame ? known.since : wallNow(), at: now() })
      return true
    },
    of(peerId) {
      const path = paths.get(peerId)
      if (path === undefined || now() - path.at >= shownMs) return undefined
      const { at: _, ...shown } = path
      return shown
    },
  }
}
