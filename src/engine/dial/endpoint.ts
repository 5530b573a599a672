import type { Multiaddr } from '@multiformats/multiaddr'

/** Where a socket is to go, and what is spoken on it. */
export interface Endpoint {
  form: 'tcp' | 'ws' | 'wss' | 'quic'
  port: number
  /** What TLS and the Host header name: the server name that the address gives, else its host. */
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

/** `/<host>/udp/<port>/quic-v1`, or `/<host>/tcp/<port>`, then nothing, `/ws`, `/wss`, `/tls/ws` or `/tls/sni/<name>/ws`, then perhaps `/p2p/<peer id>`; else undefined. */
export function endpointOf(address: Multiaddr): Endpoint | undefined {
  const [host, transport, ...rest] = address.getComponents()
  if (host?.value === undefined || !hosts.includes(host.name) || transport === undefined) return undefined
  const names = [transport, ...rest].map(({ name }) => name)
  if (names.at(-1) === 'p2p') names.pop()
  const form = forms[names.join('/')]
  const name = rest.find((component) => component.name === 'sni')?.value ?? host.value
  return form === undefined ? undefined : { form, port: Number(transport.value), name }
}

/** Where an address leads, without who is expected there. */
export function withoutPeerId(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, '')
}
