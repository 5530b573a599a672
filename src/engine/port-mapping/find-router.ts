import { defaultRouter, defaultRouter6 } from './default-routers.ts'
import { findNatPmpRouter } from './nat-pmp.ts'
import { findPcpRouter } from './pcp.ts'
import type { Router } from './router.ts'
import { findUpnpRouter } from './upnp.ts'

/** Looks for the router that forwards ports of a node. */
export type FindRouter = (localIps: string[], signal: AbortSignal) => Promise<Router | undefined>

/**
 * By PCP or NAT-PMP where the default router speaks one, which takes one datagram; otherwise by UPnP.
 * @param init.secret of this node; see `findPcpRouter`
 */
export function createFindRouter({ secret }: { secret: Uint8Array }): FindRouter {
  return async (localIps, signal) => {
    const found = await Promise.all([
      findPcpRouter({ router: defaultRouter, secret }, signal),
      findNatPmpRouter(signal),
      findUpnpRouter(localIps, signal).catch(() => undefined),
    ])
    return found.find((each) => each !== undefined && localIps.some((ip) => each.serves(ip)))
  }
}

/** Firewalls let packets to global IPv6 addresses of this host through, and translate nothing. */
export function createFindFirewall({ secret }: { secret: Uint8Array }): FindRouter {
  return async (_localIps, signal) => await findPcpRouter({ router: defaultRouter6, secret }, signal)
}
