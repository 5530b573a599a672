import { createFairRate } from '../lib/fair-rate.ts'
import type { Limits } from '../limits.ts'
import { type CarriedCircuit, holderOf } from './crowds.ts'
import type { ReachCounter } from './reach/reach-counts.ts'

/**
 * Limits on the bytes and duration of circuits through this relay, on either engine. The rate and the idle time are
 * always limited; an honest peer notices at most a delay. The bytes and duration of one circuit are limited only if the
 * operator sets a limit, and then both ends are told.
 */
export interface RelayBounds {
  /** Begins to count a circuit. `end` is called once when the circuit must be closed, and never after disposal. */
  begin(circuit: CarriedCircuit, end: (reason: string) => void): CircuitBounds
}

export interface CircuitBounds extends Disposable {
  /** Counts bytes from the circuit's opener (`there`) or its target (`back`). */
  carried(direction: CircuitDirection, bytes: number): void
  /** Milliseconds until the caller may ask again, during which it must not read; 0 when it may read now. */
  waitMs(): number
}

export type CircuitDirection = 'there' | 'back'

export type RelayLimits = Pick<
  Limits,
  'maxRelayReservations' | 'maxRelayStreams' | 'relayBytesPerSecond' | 'relayIdleMs' | 'maxRelayBytes' | 'relayMs'
>

/** Milliseconds until a circuit over the rate is checked again. */
const lookAgainMs = 20

export function createRelayBounds({ limits }: { limits: RelayLimits }, { counter }: { counter: ReachCounter }): RelayBounds {
  const rate = createFairRate({ perSecond: limits.relayBytesPerSecond })

  return {
    begin({ opener, seenAt }, end) {
      const holder = holderOf({ peerId: opener, seenAt })
      const totals = { there: 0, back: 0 }
      let isOver = false
      counter.circuitOpened()
      const idle = setTimeout(() => finish('the circuit was idle for too long'), limits.relayIdleMs)
      const whole =
        limits.relayMs === 0 ? undefined : setTimeout(() => finish('the circuit has reached its maximum duration'), limits.relayMs)

      function stop(): void {
        if (isOver) return
        isOver = true
        counter.circuitClosed()
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
          counter.carried(bytes)
          totals[direction] += bytes
          if (limits.maxRelayBytes > 0 && totals[direction] > limits.maxRelayBytes)
            finish('the circuit has reached its maximum number of bytes')
        },
        waitMs: () => (rate.isOver(holder, performance.now()) ? lookAgainMs : 0),
        [Symbol.dispose]: stop,
      }
    },
  }
}
