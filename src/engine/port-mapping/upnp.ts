import { randomInt } from 'node:crypto'
import { type LocalPort, leaseSeconds, type Router } from './router.ts'
import { act, codeOf, findService, type Service, serviceType, textIn } from './upnp-service.ts'

/**
 * Ports of a router by UPnP (Internet Gateway Device 1 and 2, WANIPConnection). `@libp2p/upnp-nat` is not used: it maps
 * ports of version 2 only, and does not remove what it has mapped.
 */
const forwarding = ['WANIPConnection:2', 'WANIPConnection:1', 'WANPPPConnection:1'].map(serviceType)
/** UPnP error codes. */
const codes = { conflict: 718, permanentOnly: 725, noSuchMapping: 714 }
/** Ports outside that are tried when another host has the wanted one. */
const otherPorts = { attempts: 4, from: 20_000, to: 60_000 }

/** A router that answers on one of these addresses of this host. */
export async function findUpnpRouter(localIps: string[], signal: AbortSignal): Promise<Router | undefined> {
  const found = await findService(localIps, forwarding, signal)
  return found === undefined ? undefined : routerOf(found.service, found.localIp)
}

export function routerOf(service: Service, localIp: string): Router {
  async function add({ transport, ip, port }: LocalPort, external: number, seconds: number, signal: AbortSignal): Promise<void> {
    const values = {
      NewRemoteHost: '',
      NewExternalPort: external,
      NewProtocol: transport.toUpperCase(),
      NewInternalPort: port,
      NewInternalClient: ip,
      NewEnabled: 1,
      NewPortMappingDescription: 'Peergate',
      NewLeaseDuration: seconds,
    }
    await act(service, 'AddPortMapping', values, { from: localIp, signal })
  }

  /** Without a time where the router knows only ports without. */
  async function addForATime(port: LocalPort, external: number, signal: AbortSignal): Promise<void> {
    try {
      await add(port, external, leaseSeconds, signal)
    } catch (error) {
      if (codeOf(error) !== codes.permanentOnly) throw error
      await add(port, external, 0, signal)
    }
  }

  return {
    protocol: 'UPnP',
    serves: (each) => each === localIp,
    async externalIp(signal) {
      return textIn(await act(service, 'GetExternalIPAddress', {}, { from: localIp, signal }), 'NewExternalIPAddress') ?? ''
    },
    async map(port, wanted, signal) {
      for (let external = wanted, attempt = 1; ; attempt++) {
        try {
          await addForATime(port, external, signal)
          return { port: external }
        } catch (error) {
          if (codeOf(error) !== codes.conflict || attempt > otherPorts.attempts) throw error
          external = randomInt(otherPorts.from, otherPorts.to)
        }
      }
    },
    async unmap({ transport }, external, signal) {
      const values = { NewRemoteHost: '', NewExternalPort: external, NewProtocol: transport.toUpperCase() }
      try {
        await act(service, 'DeletePortMapping', values, { from: localIp, signal })
      } catch (error) {
        if (codeOf(error) !== codes.noSuchMapping) throw error
      }
    },
  }
}
