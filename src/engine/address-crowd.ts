import { addressKey, localKey } from '../access/client-key.ts'
import { createShares } from '../lib/shares.ts'

/**
 * Whether an address, of IPv6 its /64, holds its share of `max` places already: a quarter while others hold any. Programs on this host may
 * have all of them. `held` has the IP address of each place that is taken, undefined for those that no address has asked for.
 */
export function isCrowded(ip: string, init: { max: number; held: Iterable<string | undefined> }): boolean {
  const shares = createShares({ max: init.max, exempt: new Set([localKey]) })
  for (const each of init.held) shares.hold(each === undefined ? 'others' : addressKey(each), 1)
  return shares.refusal(addressKey(ip)) === 'share'
}
