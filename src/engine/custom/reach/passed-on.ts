import { createFairRate } from '../../../lib/fair-rate.ts'
import { createLru } from '../../../lib/lru.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import { workBudget } from '../link/frame-budget.ts'
import { priceOf } from '../link/frame-prices.ts'
import { frameTypes } from '../link/frame-types.ts'

/**
 * The frames of circuits that a relay passes on. Their receiver charges the relay for them (frame-prices.ts), whoever
 * causes them, so all that goes to one peer has a limit well below the relay's budget there. The ends of circuits that
 * send to the same peer share it by their addresses.
 */
export interface PassedOn {
  /** Counts an offered circuit. False when it must not be offered, as the relay has passed on as much as it may. */
  offer(from: string, to: string): boolean
  /** The frames of a circuit from a holder (`holderOf`) to a peer. */
  way(from: string, to: string): PassingWay
}

export interface PassingWay {
  /** Counts a frame of a type. False when it must not be sent, as the relay has passed on as much as it may. */
  pass(type: number): boolean
  /** Whether the frames have to become fewer: the relay passes credit on later. */
  readonly isFast: boolean
}

/** Two fifths of the budget for frames. Gossip and requests of the relay have the rest. */
const share = 0.4
/** Units that each circuit may use whatever others do: a handshake and 200 messages, then 40 messages a second. */
const ofCircuit = { perSecond: 400, burst: 2_000 }
/** Receivers that are counted, those of the latest frames: more than there can be links. */
const maxReceivers = 4_096

export function createPassedOn({ now }: { now(): number }): PassedOn {
  const perSecond = workBudget.perSecond * share
  const ratesOf = createLru({ max: maxReceivers }, () => ({
    perSecond: createFairRate({ perSecond }),
    burst: createFairRate({ perSecond, burst: workBudget.burst * share }),
  }))

  function spend(from: string, to: string, units: number): void {
    const { perSecond, burst } = ratesOf(to)
    for (const rate of [perSecond, burst]) rate.spend(from, now(), units)
  }

  const isOver = (from: string, to: string) => ratesOf(to).burst.isOver(from, now())

  return {
    offer(from, to) {
      if (isOver(from, to)) return false
      // The offer, and the end of the circuit.
      spend(from, to, 2 * priceOf(frameTypes.circuit))
      return true
    },
    way(from, to) {
      const own = createTokenBucket(ofCircuit)
      return {
        pass(type) {
          const units = priceOf(type)
          if (!own.take(now(), units) && isOver(from, to)) return false
          spend(from, to, units)
          return true
        },
        get isFast() {
          return ratesOf(to).perSecond.isOver(from, now())
        },
      }
    },
  }
}
