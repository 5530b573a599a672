import { isIPv6 } from 'node:net'
import { type LocalPort, leaseSeconds, type Router } from './router.ts'
import { act, codeOf, findService, type Service, serviceType, textIn } from './upnp-service.ts'

/** Openings of a firewall of IPv6 by UPnP (Internet Gateway Device 2, WANIPv6FirewallControl). */
const firewall = serviceType('WANIPv6FirewallControl:1')
/** Numbers of the protocols (IANA), which a firewall is told. */
const protocols = { tcp: 6, udp: 17 }
/** A UPnP error code. */
const noSuchPinhole = 704

/** A firewall that answers on one of these addresses of this host. */
export async function findUpnpFirewall(localIps: string[], signal: AbortSignal): Promise<Router | undefined> {
  const found = await findService(localIps, [firewall], signal)
  return found === undefined ? undefined : firewallOf(found.service)
}

/** A host may have only its own ports opened, so each request leaves from the address that it is about. */
export function firewallOf(service: Service): Router {
  /** The router's names of openings. */
  const names = new Map<string, string>()
  const nameOf = ({ transport, ip, port }: LocalPort) => `${transport} ${ip} ${port}`

  return {
    protocol: 'UPnP',
    serves: isIPv6,
    /** Adding what is open already renews it (WANIPv6FirewallControl:1, AddPinhole). */
    async map(local, _wanted, signal) {
      const { transport, ip, port } = local
      const values = {
        RemoteHost: '',
        RemotePort: 0,
        InternalClient: ip,
        InternalPort: port,
        Protocol: protocols[transport],
        LeaseTime: leaseSeconds,
      }
      const name = textIn(await act(service, 'AddPinhole', values, { from: ip, signal }), 'UniqueID')
      if (name !== undefined) names.set(nameOf(local), name)
      return { ip, port }
    },
    async unmap(local, _external, signal) {
      const name = names.get(nameOf(local))
      names.delete(nameOf(local))
      if (name === undefined) return
      try {
        await act(service, 'DeletePinhole', { UniqueID: name }, { from: local.ip, signal })
      } catch (error) {
        if (codeOf(error) !== noSuchPinhole) throw error
      }
    },
  }
}
