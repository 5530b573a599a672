import type { Multiaddr } from '@multiformats/multiaddr'
import { parseAddress, peerIdOf } from '../../model/peer.ts'
import { circuitProblem, isCircuitAddress, throughRelays } from '../dial/circuit-address.ts'
import { endpointOf } from '../dial/endpoint.ts'

/** Why this engine can't use an address of the configuration, as the end of a sentence; undefined when it can. */
export function customAddressProblem(text: string, role: 'listen' | 'announce' | 'bootstrap'): string | undefined {
  let address: Multiaddr
  try {
    address = parseAddress(text)
  } catch {
    return `has "${text}", which is not an address; an address looks like /ip4/192.0.2.1/tcp/7071/ws or ws://192.0.2.1:7071`
  }
  if (role === 'listen' && text === throughRelays) return undefined
  const problem = addressProblem(address) ?? roleProblem(address, role)
  return problem === undefined ? undefined : `has "${text}": ${problem}`
}

/** Whether an address uses TLS. */
export function isSecureAddress(text: string): boolean {
  try {
    return endpointOf(parseAddress(text))?.form === 'wss'
  } catch {
    return false
  }
}

/** Why this engine can't dial an address, whatever the dial policy says; undefined when it can. */
export function addressProblem(address: Multiaddr): string | undefined {
  if (isCircuitAddress(address)) return circuitProblem(address, addressProblem)
  const form = endpointOf(address)?.form
  if (form === 'ws' || form === 'wss') return undefined
  const names = address.getComponents().map(({ name }) => name)
  return `the custom engine speaks WebSocket only (/tcp/…/ws); ${names.join('/')} is for libp2p`
}

function roleProblem(address: Multiaddr, role: 'listen' | 'announce' | 'bootstrap'): string | undefined {
  if (role !== 'listen') return undefined
  if (peerIdOf(address) !== undefined) return 'an address to listen on has no peer id'
  if (isCircuitAddress(address)) return `to be reached through relays, listen on ${throughRelays} and connect to one`
  const [host] = address.getComponents()
  if (host?.name !== 'ip4' && host?.name !== 'ip6') return 'it is a name; listen on an IP address, such as /ip4/0.0.0.0/tcp/7071/ws'
  return undefined
}
