import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { peerIdOf } from '../../model/peer.ts'

/** What is wrong with an address of the configuration for this engine, as the end of a sentence, or undefined. */
export function libp2pAddressProblem(text: string, role: 'listen' | 'announce' | 'bootstrap'): string | undefined {
  let address: Multiaddr
  try {
    address = multiaddr(text)
  } catch {
    return `has "${text}", which is no multiaddr; one looks like /ip4/192.0.2.1/tcp/7071${role === 'bootstrap' ? '/p2p/12D3KooW…' : ''}`
  }
  const names = address.getComponents().map(({ name }) => name)
  if (names.includes('p2p-circuit'))
    return `has "${text}": relayed addresses are not supported in this version; use a TCP or WebSocket address`
  if (names.includes('dnsaddr')) return role === 'bootstrap' ? undefined : `has "${text}": a dnsaddr can't be listened on or announced`
  if (!names.includes('tcp'))
    return `has "${text}": in this version libp2p speaks TCP and WebSocket (/tcp/…, /tcp/…/ws); ${names.join('/')} is neither`
  if (role === 'listen' && (names.includes('wss') || names.includes('tls')))
    return `has "${text}": listening with TLS is not supported; let a proxy do it, and announce its address`
  if (role === 'bootstrap' && peerIdOf(address) === undefined)
    return `has "${text}", which names no peer: add /p2p/<peer id>, as GET /v1/node of that peer shows it`
  return undefined
}

/** Where an address leads, without who is expected there. */
export function withoutPeerId(address: Multiaddr): string {
  return address.toString().replace(/\/p2p\/[^/]+$/, '')
}
