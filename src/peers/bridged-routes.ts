import { BoundedMap } from '../lib/bounded-map.ts'

/** The bridges through which peers that are not linked have answered in the last minutes. */
export interface BridgedRoutes {
  /** The peer has answered through the bridge. Returns whether that is news. */
  note(peerId: string, bridge: string): boolean
  via(peerId: string): string | undefined
}

const shownMs = 300_000
/** Milliseconds between two notes of one route, so that a busy one is not news with each answer. */
const notedMs = 60_000
const maxRoutes = 1_000

export function createBridgedRoutes(components: { now?: () => number } = {}): BridgedRoutes {
  const { now = () => performance.now() } = components
  const routes = new BoundedMap<string, { bridge: string; at: number }>({ max: maxRoutes })
  return {
    note(peerId, bridge) {
      const known = routes.get(peerId)
      if (known?.bridge === bridge && now() - known.at < notedMs) return false
      routes.set(peerId, { bridge, at: now() })
      return true
    },
    via(peerId) {
      const route = routes.get(peerId)
      return route !== undefined && now() - route.at < shownMs ? route.bridge : undefined
    },
  }
}
