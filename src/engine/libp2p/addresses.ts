import type { Multiaddr } from '@multiformats/multiaddr'
import { parseMultiaddr, peerIdOf } from '../../model/peer.ts'
import { circuitProblem, isCircuitAddress, relayOf, throughRelays } from '../dial/circuit-address.ts'
import { endpointOf } from '../dial/endpoint.ts'

/** Why a configured address does not work with this engine, as the end of a sentence, or undefined. */
export function libp2pAddressProblem(text: string, role: 'listen' | 'announce' | 'bootstrap'): string | undefined {
  let address: Multiaddr
  try {
    address = parseMultiaddr(text)
  } catch {
    return `has "${text}", which is not a multiaddr; an example is /ip4/192.0.2.1/tcp/7071${role === 'bootstrap' ? '/p2p/12D3KooW…' : ''}`
  }
  const problem = role === 'listen' && text === throughRelays ? undefined : (addressProblem(address) ?? roleProblem(address, role))
  return problem === undefined ? undefined : `has "${text}": ${problem}`
}

/** Why the transports of this engine cannot dial an address, whatever the policy says, or undefined. */
export function addressProblem(address: Multiaddr): string | undefined {
  const names = address.getComponents().map(({ name }) => name)
  if (isCircuitAddress(address)) return circuitProblem(address, addressProblem)
  if (names[0] === 'dnsaddr' || endpointOf(address) !== undefined) return undefined
  return `this version of libp2p supports TCP, WebSocket and QUIC (/tcp/…, /tcp/…/ws, /udp/…/quic-v1); ${names.join('/')} is not supported`
}

function roleProblem(address: Multiaddr, role: 'listen' | 'announce' | 'bootstrap'): string | undefined {
  if (role === 'bootstrap') {
    if (peerIdOf(address) !== undefined) return undefined
    return 'it names no peer; add /p2p/<peer id>, as GET /v1/node of that peer shows it'
  }
  const [host] = address.getComponents()
  if (relayOf(address) !== undefined && role === 'listen')
    return `to be reached through relays, listen on ${throughRelays} and connect to one`
  if (host?.name === 'dnsaddr') return "a dnsaddr can't be listened on or announced"
  if (role === 'announce') return undefined
  if (host?.name !== 'ip4' && host?.name !== 'ip6') return 'it is a name; listen on an IP address, such as /ip4/0.0.0.0/tcp/7071'
  if (endpointOf(address)?.form === 'wss') return 'listening with TLS is not supported; let a proxy terminate TLS, and announce its address'
  return undefined
}
