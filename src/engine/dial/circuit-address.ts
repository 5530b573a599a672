import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'

/**
 * Addresses that lead through a relay, `<address of the relay>/p2p/<relay>/p2p-circuit/p2p/<peer>`, in the format of
 * both engines.
 */

/** The listen address for being reached through those connected peers that are relays. */
export const throughRelays = '/p2p-circuit'

export function isCircuitAddress(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit')
}

/** Those of a peer's addresses that lead through no relay. */
export function directAddresses(multiaddrs: readonly string[]): string[] {
  return multiaddrs.filter((address) => !address.includes(throughRelays))
}

/** The part of a relayed address that leads to the relay; undefined when the address is not relayed. */
export function relayOf(address: Multiaddr): Multiaddr | undefined {
  const parts = address.toString().split('/p2p-circuit')
  return parts.length === 2 && parts[0] !== undefined && parts[0] !== '' ? multiaddr(parts[0]) : undefined
}

/** Why an address is not a valid circuit address, or undefined. `problemOf` judges the relay's own address. */
export function circuitProblem(address: Multiaddr, problemOf: (relay: Multiaddr) => string | undefined): string | undefined {
  const relay = relayOf(address)
  const [target, ...rest] = address.getComponents().slice((relay?.getComponents().length ?? 0) + 1)
  const named = relay !== undefined && relay.getComponents().at(-1)?.name === 'p2p'
  if (named && problemOf(relay) === undefined && target?.name === 'p2p' && rest.length === 0) return undefined
  return 'a relayed address is written /<address of the relay>/p2p/<relay>/p2p-circuit/p2p/<peer>'
}
