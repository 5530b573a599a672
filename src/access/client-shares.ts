import { createShares, type Shares } from '../lib/shares.ts'
import { localKey } from './client-key.ts'

export interface ClientSharesInit {
  /** Units in all. */
  max: number
  /** Units of one client, alone or not; 0 for its share. */
  maxPerClient?: number
  limits: { clientSharePercent: number }
}

/** Something bounded that clients share, by their keys (`clientKey`). Programs on this host without a token may have all of it. */
export function createClientShares({ max, maxPerClient = 0, limits }: ClientSharesInit): Shares {
  const maxPerHolder = maxPerClient === 0 ? undefined : maxPerClient
  return createShares({ max, share: limits.clientSharePercent / 100, maxPerHolder, exempt })
}

const exempt = new Set([localKey])
