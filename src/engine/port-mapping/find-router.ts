import { createDeadline } from '../../lib/deadline.ts'
import { defaultRouter, defaultRouter6 } from './default-routers.ts'
import { findNatPmpRouter } from './nat-pmp.ts'
import { findPcpRouter } from './pcp.ts'
import type { Router } from './router.ts'
import { findUpnpRouter } from './upnp.ts'
import { findUpnpFirewall } from './upnp-firewall.ts'

/** Looks for the router that forwards ports of a node. */
export type FindRouter = (localIps: string[], signal: AbortSignal) => Promise<Router | undefined>

/**
 * By PCP, NAT-PMP or UPnP, in this order of preference.
 * @param init.secret of this node; see `findPcpRouter`
 */
export function createFindRouter({ secret }: { secret: Uint8Array }): FindRouter {
  return bestOf([
    (_localIps, signal) => findPcpRouter({ router: defaultRouter, secret }, signal),
    (_localIps, signal) => findNatPmpRouter(signal),
    findUpnpRouter,
  ])
}

/** Firewalls let packets to global IPv6 addresses of this host through, and translate nothing. By PCP or UPnP. */
export function createFindFirewall({ secret }: { secret: Uint8Array }): FindRouter {
  return bestOf([(_localIps, signal) => findPcpRouter({ router: defaultRouter6, secret }, signal), findUpnpFirewall])
}

/**
 * Milliseconds for which a router that was found waits for a better protocol: time for one repeated request
 * (`askRouter`). A router that does not speak a protocol is often silent, and the search by it lasts for seconds.
 */
export const betterMs = 1_000
/** Milliseconds for a search; each way ends earlier by itself. */
const searchMs = 15_000

/**
 * Searches in all ways at once.
 * @param ways the best first
 * @returns a search for a router that serves one of the addresses; it rejects with the signal's reason
 */
export function bestOf(ways: FindRouter[]): FindRouter {
  return async (localIps, given) => {
    const stopping = new AbortController()
    using deadline = createDeadline(searchMs, [given, stopping.signal])
    const waited = Promise.withResolvers<void>()
    const found: Router[] = []
    let timer: NodeJS.Timeout | undefined

    async function search(way: FindRouter, place: number): Promise<void> {
      const router = await way(localIps, deadline.signal).catch(() => undefined)
      if (router === undefined || !localIps.some((ip) => router.serves(ip))) return
      found[place] = router
      timer ??= setTimeout(waited.resolve, betterMs)
    }

    const searches = ways.map(search)
    /** Ends when a way has found a router and all better ones have failed, or all have. */
    const inOrder = async () => {
      for (const [place, searching] of searches.entries()) {
        await searching
        if (found[place] !== undefined) return
      }
    }
    try {
      await Promise.race([inOrder(), waited.promise])
    } finally {
      clearTimeout(timer)
      stopping.abort(new Error('another router was found'))
    }
    given.throwIfAborted()
    return found.find((each) => each !== undefined)
  }
}
