import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'

/** The port, name and protocol of a socket address. */
export interface Endpoint {
  form: 'tcp' | 'ws' | 'wss' | 'quic'
  port: number
  /** The name for TLS and the Host header: the address's server name if it has one, otherwise its host. */
  name: string
}

const hosts = ['ip4', 'ip6', 'dns', 'dns4', 'dns6']
const forms: Partial<Record<string, Endpoint['form']>> = {
  tcp: 'tcp',
  'tcp/ws': 'ws',
  'tcp/wss': 'wss',
  'tcp/tls/ws': 'wss',
  'tcp/tls/sni/ws': 'wss',
  'udp/quic-v1': 'quic',
}

/**
 * The endpoint of `/<host>/udp/<port>/quic-v1`, or of `/<host>/tcp/<port>` followed by nothing, `/ws`, `/wss`,
 * `/tls/ws` or `/tls/sni/<name>/ws`, with an optional `/p2p/<peer id>`; undefined for other addresses.
 */
export function endpointOf(address: Multiaddr): Endpoint | undefined {
  const [host, transport, ...rest] = address.getComponents()
  if (host?.value === undefined || !hosts.includes(host.name) || transport === undefined) return undefined
  const names = [transport, ...rest].map(({ name }) => name)
  if (names.at(-1) === 'p2p') names.pop()
  const form = forms[names.join('/')]
  const name = rest.find((component) => component.name === 'sni')?.value ?? host.value
  return form === undefined ? undefined : { form, port: Number(transport.value), name }
}

/** The address without the expected peer id. */
export function withoutPeerId(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, '')
}

/** The address, which has no peer id, with one. */
export function withPeerId(address: string, peerId: string | undefined): Multiaddr {
  return multiaddr(peerId === undefined ? address : `${address}/p2p/${peerId}`)
}
