import { BoundedMap } from '../../lib/bounded-map.ts'
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
  const trusted = (['configured', 'rest', 'mdns'] as const).map((source) => ({
    source,
    addresses: new BoundedMap<string, true>({ max: maxOfSource }),
  }))

  return {
    note: (address, source) => void trusted.find((entry) => entry.source === source)?.addresses.set(address, true),
    sourceOf(address) {
      return trusted.find(({ addresses }) => addresses.has(address))?.source ?? 'learnt'
    },
  }
}
