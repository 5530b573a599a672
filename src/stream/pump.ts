import { setImmediate as nextTurn } from 'node:timers/promises'

/** A sender that sends one step at a time. */
export interface Source {
  readonly ready: boolean
  advance(): void | Promise<void>
}

export interface Pump {
  /** Continues sending while a source is ready and the outlet is writable. */
  run(): void
}

export interface PumpComponents {
  /** Read again for each round. */
  sources: { values(): Iterator<Source> & Iterable<Source> }
  outlet: { readonly writable: boolean }
  onError(error: unknown): void
}

/**
 * Lets several sources send in round-robin order, one step each, one at a time. Stops when no source is ready or the
 * outlet is full, until `run` is called again. Between the steps of a source it yields to the event loop: otherwise a
 * client that reads as fast as it is sent to would hold up all others.
 */
export function createPump(components: PumpComponents): Pump {
  return new RoundPump(components)
}

class RoundPump implements Pump {
  readonly #components: PumpComponents
  #running = false
  /** The current round. It survives a full outlet, so that the first source cannot starve the others. */
  #round: Iterator<Source> | undefined

  constructor(components: PumpComponents) {
    this.#components = components
  }

  run(): void {
    if (this.#running) return
    this.#running = true
    this.#proceed()
  }

  /** Continues the round: a step of each ready source, then the next round. */
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
        // The store's result may be there at once, so awaiting it alone would not yield to the event loop.
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
