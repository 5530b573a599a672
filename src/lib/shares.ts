/**
 * Counts the units of one bounded resource (places, connections, bytes) by holder (client, peer, address). There are
 * `max` units in all. A holder has at most its share of them while others hold any. A single holder may have more, but
 * one share stays free, so that the next holder finds room.
 */
export interface Shares {
  /**
   * Why the units are refused: none are left in all, or the holder has its share. Undefined when they are available.
   */
  refusal(holder: string, units?: number): 'all' | 'share' | undefined
  /** Takes units (default: one) until they are disposed of, once. Undefined when they are refused; nothing is taken. */
  take(holder: string, units?: number): Disposable | undefined
  /** Counts units that are already held, without a check. */
  hold(holder: string, units: number): Disposable
  held(holder: string): number
  /** Units held in all. */
  readonly total: number
  /** Units that one holder may have while others hold any. */
  readonly share: number
}

export interface SharesInit {
  max: number
  /** The part of `max` that one holder may have while others hold any. Default: a quarter; at least one unit. */
  share?: number | undefined
  /** Units that one holder may have, alone or not; replaces `share`. */
  maxPerHolder?: number | undefined
  /** Holders without a share limit, unless `maxPerHolder` is given. */
  exempt?: ReadonlySet<string>
}

const defaultShare = 1 / 4

export function createShares({ max, share: part = defaultShare, maxPerHolder, exempt = new Set() }: SharesInit): Shares {
  const share = maxPerHolder ?? Math.max(1, Math.floor(max * part))
  /** Units that one holder may have while no other holds any. */
  const alone = maxPerHolder ?? Math.max(share, max - share)
  const holders = new Map<string, number>()
  let total = 0

  function refusal(holder: string, units = 1): 'all' | 'share' | undefined {
    if (total + units > max) return 'all'
    if (maxPerHolder === undefined && exempt.has(holder)) return undefined
    const held = holders.get(holder) ?? 0
    const isAlone = total === held
    return held + units > (isAlone ? alone : share) ? 'share' : undefined
  }

  function giveBack(holder: string, units: number): void {
    total -= units
    const left = (holders.get(holder) ?? 0) - units
    if (left > 0) holders.set(holder, left)
    else holders.delete(holder)
  }

  function hold(holder: string, units: number): Disposable {
    total += units
    holders.set(holder, (holders.get(holder) ?? 0) + units)
    let isHeld = true
    return {
      [Symbol.dispose]() {
        if (isHeld) giveBack(holder, units)
        isHeld = false
      },
    }
  }

  return {
    refusal,
    hold,
    take: (holder, units = 1) => (refusal(holder, units) === undefined ? hold(holder, units) : undefined),
    held: (holder) => holders.get(holder) ?? 0,
    share,
    get total() {
      return total
    },
  }
}
