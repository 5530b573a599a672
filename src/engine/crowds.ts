import { addressKey, localKey } from '../access/client-key.ts'
import { createShares, type Shares } from '../lib/shares.ts'

/**
 * Peer ids are free, so what peers hold for as long as they like (links, reservations, circuits) is shared by the addresses that they are
 * seen at. This host itself may have everything.
 */

/** Who holds a share: an address, of IPv6 a /64; a peer that is seen at none, itself. */
export function holderOf({ peerId, seenAt }: { peerId: string; seenAt: string | undefined }): string {
  return seenAt === undefined ? peerId : addressKey(seenAt)
}

/** Why a holder can't have one more of what `held` names the holders of, each as often as it holds one. */
export function crowdRefusal(holder: string, held: Iterable<string>, { max }: { max: number }): ReturnType<Shares['refusal']> {
  return sharesOf(held, { max, exempt: new Set([localKey]) }).refusal(holder)
}

/** A circuit that this node carries, or is asked for, as a relay. */
export interface CarriedCircuit {
  /** The peer that opened it, and the address that it is seen at. */
  opener: string
  seenAt: string | undefined
  /** The peer that it leads to. */
  target: string
}

/** Circuits that one peer may open, so that it leaves room for others. */
const maxCircuitsPerOpener = 16

/** Why a circuit is not carried beside the others, or undefined. */
export function circuitRefusal(
  { opener, seenAt, target }: CarriedCircuit,
  others: Iterable<CarriedCircuit>,
  { max }: { max: number },
): string | undefined {
  const carried = [...others]
  if (carried.length >= max) return 'the relay has as many circuits as it may'
  if (carried.filter((each) => each.opener === opener).length >= maxCircuitsPerOpener) return 'you have as many circuits here as you may'
  const holders = carried.map((each) => holderOf({ peerId: each.opener, seenAt: each.seenAt }))
  if (crowdRefusal(holderOf({ peerId: opener, seenAt }), holders, { max }) !== undefined) {
    return 'peers of your address have as many circuits here as they may'
  }
  const targets = sharesOf(
    carried.map((each) => each.target),
    { max },
  )
  return targets.refusal(target) === undefined ? undefined : 'as many circuits lead to the peer as may'
}

function sharesOf(held: Iterable<string>, init: Parameters<typeof createShares>[0]): Shares {
  const shares = createShares(init)
  for (const holder of held) shares.hold(holder, 1)
  return shares
}
