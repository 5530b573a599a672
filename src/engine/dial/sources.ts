import type { AddressSource } from '../../model/peer.ts'

/** The sources of addresses; an unrecorded address is `learnt`. */
export interface AddressSources {
  note(address: string, source: AddressSource): void
  /** The most trusted recorded source of the address. */
  sourceOf(address: string): AddressSource
}

/**
 * Maximum remembered addresses of each source; the oldest are forgotten first. The limit is per source, so that no
 * source can push out another's addresses.
 */
const maxOfSource = 2_000

export function createAddressSources(): AddressSources {
  // In the order of trust; `learnt` addresses need no record.
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
