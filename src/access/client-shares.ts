import { createShares, type Shares } from '../lib/shares.ts'
import type { Limits } from '../limits.ts'
import { localKey } from './client-key.ts'

export interface ClientSharesInit {
  /** Units of all clients together. */
  max: number
  /** Units of one client at any time. 0 (the default) means its share only. */
  maxPerClient?: number
  limits: Pick<Limits, 'clientSharePercent'>
}

/**
 * A bounded number of units that clients share, by key (`clientKey`). Clients on this host without a token are exempt
 * from shares.
 */
export function createClientShares({ max, maxPerClient = 0, limits }: ClientSharesInit): Shares {
  const maxPerHolder = maxPerClient === 0 ? undefined : maxPerClient
  return createShares({ max, share: limits.clientSharePercent / 100, maxPerHolder, exempt })
}

const exempt = new Set([localKey])
