import type { AbortOptions, PeerId } from '@libp2p/interface'

/**
 * Addresses that libp2p's peer store keeps of one peer. It compares each with each, and joins all that anyone has told.
 */
const maxAddresses = 64

/**
 * The store's filter, which lets the first addresses of a record pass: those that it has, then new ones. The store
 * asks for each address of a record with the same options, which no other record has.
 */
export function firstAddresses(): (peerId: PeerId, multiaddr: unknown, options?: AbortOptions) => boolean {
  const passed = new WeakMap<AbortOptions, number>()
  return (_peerId, _multiaddr, options = {}) => {
    const count = (passed.get(options) ?? 0) + 1
    passed.set(options, count)
    return count <= maxAddresses
  }
}
