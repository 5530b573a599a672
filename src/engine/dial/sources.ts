import type { AddressSource } from '../../model/peer.ts'

/** Where addresses came from: what is not known is learnt. */
export interface AddressSources {
  note(address: string, source: AddressSource): void
  /** The most trusted source that told it. */
  sourceOf(address: string): AddressSource
}

/** Addresses remembered of each source, the oldest forgotten first, so that none can push out what another told. */
const maxOfSource = 2_000

export function createAddressSources(): AddressSources {
  // In the order of trust; what is learnt needs no remembering.
  const trusted = (['configured', 'rest', 'mdns'] as const).map((source) => ({ source, addresses: new Set<string>() }))

  return {
    note(address, source) {
      const addresses = trusted.find((entry) => entry.source === source)?.addresses
      if (addresses === undefined) return
      addresses.delete(address)
      addresses.add(address)
      const [oldest] = addresses
      if (addresses.size > maxOfSource && oldest !== undefined) addresses.delete(oldest)
    },
    sourceOf(address) {
      return trusted.find(({ addresses }) => addresses.has(address))?.source ?? 'learnt'
    },
  }
}
