import { multiaddr } from '@multiformats/multiaddr'
import { endpointOf } from '../../dial/endpoint.ts'
import type { MappedPort } from '../../port-mapping/port-mapper.ts'
import type { LocalPort } from '../../port-mapping/router.ts'

/** Addresses outside this network at which packets may arrive at the listened ones, without peer id. */
export interface OutsideAddresses {
  /** Those that a router says it forwards. With IPv6 they are listened ones that a firewall lets packets through to. */
  forwarded: string[]
  /** Those where peers see this node, on the assumption that a router forwards the port that it listens on. */
  assumed: string[]
}

export function outsideAddresses(from: { listened: string[]; observed: string[]; mapped: MappedPort[] }): OutsideAddresses {
  const { listened, observed, mapped } = from
  const forwarded = listened.flatMap((own) =>
    mapped.filter((each) => isAt(own, each)).map(({ external }) => addressOf(external.ip, external.port, own)),
  )
  const [first] = listened
  const port = first === undefined ? undefined : endpointOf(multiaddr(first))?.port
  // Of a router that says which port it forwards, no other is assumed: a dial-back would wait for it in vain.
  const others = observed.filter((ip) => !mapped.some(({ external }) => external.ip === ip))
  const assumed = first === undefined || port === undefined ? [] : others.map((ip) => addressOf(ip, port, first))
  return { forwarded, assumed }
}

/** The socket that an address names, if it has an IP address. */
export function portOf(address: string): LocalPort[] {
  const [host] = multiaddr(address).getComponents()
  const port = endpointOf(multiaddr(address))?.port
  if (host?.value === undefined || port === undefined || (host.name !== 'ip4' && host.name !== 'ip6')) return []
  return [{ transport: 'tcp', ip: host.value, port }]
}

function isAt(address: string, { ip, port }: LocalPort): boolean {
  return portOf(address).some((own) => own.ip === ip && own.port === port)
}

function addressOf(ip: string, port: number, like: string): string {
  return `/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/tcp/${port}/${endpointOf(multiaddr(like))?.form}`
}
