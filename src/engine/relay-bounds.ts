import { createFairRate } from '../lib/fair-rate.ts'
import type { Limits } from '../limits.ts'
import { type CarriedCircuit, holderOf } from './crowds.ts'

/**
 * How much a relay carries and for how long, on either engine. Two kinds of bounds: a rate and a longest silence hold always, and an honest
 * end never notices them but by waiting its turn; the bytes and the time of a circuit are bounded when the operator says so, and both ends
 * are then told.
 */
export interface RelayBounds {
  /** Begins to count a circuit. `end` is called when it has to be closed, once, and never after it was disposed of. */
  begin(circuit: CarriedCircuit, end: (reason: string) => void): CircuitBounds
}

export interface CircuitBounds extends Disposable {
  /** Counts bytes that came from the circuit's opener (`there`) or from its target (`back`). */
  carried(direction: CircuitDirection, bytes: number): void
  /** Milliseconds for which nothing more may be let in, after which it is to be asked again; 0 when something may. */
  waitMs(): number
}

export type CircuitDirection = 'there' | 'back'

export type RelayLimits = Pick<
  Limits,
  'maxRelayReservations' | 'maxRelayStreams' | 'relayBytesPerSecond' | 'relayIdleMs' | 'maxRelayBytes' | 'relayMs'
>

/** Milliseconds after which a circuit that was over the rate looks again. */
const lookAgainMs = 20

export function createRelayBounds({ limits }: { limits: RelayLimits }): RelayBounds {
  const rate = createFairRate({ perSecond: limits.relayBytesPerSecond })

  return {
    begin({ opener, seenAt }, end) {
      const holder = holderOf({ peerId: opener, seenAt })
      const totals = { there: 0, back: 0 }
      let isOver = false
      const idle = setTimeout(() => finish('the circuit has carried nothing for too long'), limits.relayIdleMs)
      const whole = limits.relayMs === 0 ? undefined : setTimeout(() => finish('the time of the circuit is over'), limits.relayMs)

      function stop(): void {
        isOver = true
        clearTimeout(idle)
        clearTimeout(whole)
      }

      function finish(reason: string): void {
        if (isOver) return
        stop()
        end(reason)
      }

      return {
        carried(direction, bytes) {
          if (isOver) return
          idle.refresh()
          rate.spend(holder, performance.now(), bytes)
          totals[direction] += bytes
          if (limits.maxRelayBytes > 0 && totals[direction] > limits.maxRelayBytes) finish('the circuit has carried as much as it may')
        },
        waitMs: () => (rate.isOver(holder, performance.now()) ? lookAgainMs : 0),
        [Symbol.dispose]: stop,
      }
    },
  }
}
