import { addressKey, localKey } from '../access/client-key.ts'
import { createShares, type Shares } from '../lib/shares.ts'

/**
 * Shares of what peers hold indefinitely (links, reservations, circuits). Peer ids are free, so the IP addresses at
 * which peers are seen share it. This host itself may hold everything.
 */

/** The holder of a share: an address (for IPv6 its /64), or the peer itself when its address is unknown. */
export function holderOf({ peerId, seenAt }: { peerId: string; seenAt: string | undefined }): string {
  return seenAt === undefined ? peerId : addressKey(seenAt)
}

/** Why a holder cannot take one more place, or undefined. `held` gives the holder of each place that is taken. */
export function crowdRefusal(holder: string, held: Iterable<string>, { max }: { max: number }): ReturnType<Shares['refusal']> {
  return sharesOf(held, { max, exempt: new Set([localKey]) }).refusal(holder)
}

/** A circuit that this node carries, or is asked to carry, as a relay. */
export interface CarriedCircuit {
  /** The peer that opened the circuit, and the address at which it is seen. */
  opener: string
  seenAt: string | undefined
  /** The peer to which the circuit leads. */
  target: string
}

/** Maximum circuits opened by one peer, so that others find room. */
const maxCircuitsPerOpener = 16

/** Why a circuit is refused given the existing ones, or undefined. */
export function circuitRefusal(
  { opener, seenAt, target }: CarriedCircuit,
  others: Iterable<CarriedCircuit>,
  { max }: { max: number },
): string | undefined {
  const carried = [...others]
  if (carried.length >= max) return 'the relay has reached its maximum number of circuits'
  if (carried.filter((each) => each.opener === opener).length >= maxCircuitsPerOpener)
    return 'you have reached the maximum number of circuits of one peer'
  const holders = carried.map((each) => holderOf({ peerId: each.opener, seenAt: each.seenAt }))
  if (crowdRefusal(holderOf({ peerId: opener, seenAt }), holders, { max }) !== undefined) {
    return 'peers at your address have reached their share of circuits'
  }
  const targets = sharesOf(
    carried.map((each) => each.target),
    { max },
  )
  return targets.refusal(target) === undefined ? undefined : 'the target peer has reached its share of circuits'
}

function sharesOf(held: Iterable<string>, init: Parameters<typeof createShares>[0]): Shares {
  const shares = createShares(init)
  for (const holder of held) shares.hold(holder, 1)
  return shares
}
