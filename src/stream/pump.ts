import { setImmediate as nextTurn } from 'node:timers/promises'

/** Something that can send a step at a time. */
export interface Source {
  readonly ready: boolean
  advance(): void | Promise<void>
}

export interface Pump {
  /** Goes on sending, if there is anything to send and anyone to take it. */
  run(): void
}

export interface PumpComponents {
  /** Asked anew for each round. */
  sources: { values(): Iterator<Source> & Iterable<Source> }
  outlet: { readonly writable: boolean }
  onError(error: unknown): void
}

/**
 * Sends for several sources in turn, a step each, while the outlet is writable. Never two steps at once; it stops by itself when nothing
 * is ready or the outlet is full, and `run` sets it going again. A source that has more to send than a step lets everything else in the
 * process have its turn first: a client that takes as fast as it is sent would else hold up all others.
 */
export function createPump(components: PumpComponents): Pump {
  return new RoundPump(components)
}

class RoundPump implements Pump {
  readonly #components: PumpComponents
  #running = false
  /** Where the round is; a full outlet ends no round, so that the first source can't keep the others waiting. */
  #round: Iterator<Source> | undefined

  constructor(components: PumpComponents) {
    this.#components = components
  }

  run(): void {
    if (this.#running) return
    this.#running = true
    this.#proceed()
  }

  /** Goes on with the round: a step of each ready source, then the next round. */
  #proceed(): void {
    const { sources, outlet } = this.#components
    try {
      while (outlet.writable) {
        this.#round ??= sources.values()
        const next = this.#round.next()
        if (next.done === true) {
          this.#round = undefined
          if (!hasReady(sources.values())) break
          this.#later(nextTurn())
          return
        }
        const step = next.value.ready ? next.value.advance() : undefined
        if (step === undefined) continue
        // What the store answers may be there at once: waiting for it alone would let nobody else in.
        this.#later(step.then(() => nextTurn()))
        return
      }
      this.#running = false
    } catch (error) {
      this.#fail(error)
    }
  }

  #later(wait: Promise<void>): void {
    wait.then(() => this.#proceed()).catch((error: unknown) => this.#fail(error))
  }

  #fail(error: unknown): void {
    this.#running = false
    this.#components.onError(error)
  }
}

function hasReady(sources: Iterable<Source>): boolean {
  for (const { ready } of sources) if (ready) return true
  return false
}
