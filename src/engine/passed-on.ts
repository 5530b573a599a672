import { createFairRate } from '../lib/fair-rate.ts'
import { createLru } from '../lib/lru.ts'
import { createTokenBucket } from '../lib/token-bucket.ts'

/**
 * What a relay passes on, in units of the budget that its receivers have for the frames of one link. They charge the
 * relay for all frames that it sends, so what goes to one peer has a limit well below the relay's budget there.
 * The ends of circuits that send to the same peer share it by their addresses.
 */
export interface PassedOn {
  /** Counts an offered circuit. False when it must not be offered, as the relay has passed on as much as it may. */
  offer(from: string, to: string, units: number): boolean
  /** What a circuit carries from a holder (`holderOf`) to a peer. */
  way(from: string, to: string): PassingWay
}

export interface PassingWay {
  /** Counts units. False when they must not be sent, as the relay has passed on as much as it may. */
  pass(units: number): boolean
  /** Whether the frames have to become fewer. */
  readonly isFast: boolean
}

/** A part of the budget for frames. Gossip and requests of the relay have the rest. */
const share = 0.4
/** A part that each circuit may use whatever others do, at once, and in a second. */
const ofCircuit = { burst: 0.002, perSecond: 0.004 }
/** Receivers that are counted, those of the latest frames: more than there can be links. */
const maxReceivers = 4_096

/** @param budget the budget that a peer has for the frames of one link: units at once, and in a second */
export function createPassedOn(init: { budget: { burst: number; perSecond: number } }, components: { now(): number }): PassedOn {
  const { budget } = init
  const { now } = components
  const perSecond = budget.perSecond * share
  const ratesOf = createLru({ max: maxReceivers }, () => ({
    perSecond: createFairRate({ perSecond }),
    burst: createFairRate({ perSecond, burst: budget.burst * share }),
  }))

  function spend(from: string, to: string, units: number): void {
    const { perSecond, burst } = ratesOf(to)
    for (const rate of [perSecond, burst]) rate.spend(from, now(), units)
  }

  const isOver = (from: string, to: string) => ratesOf(to).burst.isOver(from, now())

  return {
    offer(from, to, units) {
      if (isOver(from, to)) return false
      spend(from, to, units)
      return true
    },
    way(from, to) {
      const own = createTokenBucket({ burst: budget.burst * ofCircuit.burst, perSecond: budget.perSecond * ofCircuit.perSecond })
      return {
        pass(units) {
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
