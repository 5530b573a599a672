import { BoundedMap } from './bounded-map.ts'
import { ipNetwork, plainAddress } from './ip-network.ts'

/**
 * Addresses (of IPv6, a /64) that have sent many requests in one packet. Their new connections are refused for ten
 * seconds: Node.js reads such a packet to its end, about a tenth of a second for 64 KiB, before anything can stop it.
 */
export interface Flooders {
  add(address: string): void
  has(address: string): boolean
}

const refusedMs = 10_000
/** Maximum addresses remembered, about 100 bytes each. */
const maxAddresses = 10_000

export function createFlooders({ now = () => performance.now() }: { now?: () => number } = {}): Flooders {
  const until = new BoundedMap<string, number>({ max: maxAddresses })
  return {
    add: (address) => void until.set(networkOf(address), now() + refusedMs),
    has: (address) => (until.get(networkOf(address)) ?? Number.NEGATIVE_INFINITY) > now(),
  }
}

function networkOf(address: string): string {
  return ipNetwork(plainAddress(address))
}
