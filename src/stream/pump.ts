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

/**
 * Sends for several sources in turn, a step each, while the outlet is writable. Never two steps at once; it stops by itself when nothing
 * is ready or the outlet is full, and `run` sets it going again. A source that has more to send than a step lets everything else in the
 * process have its turn first: a client that takes as fast as it is sent would else hold up all others.
 */
export function createPump(components: {
  sources(): Iterable<Source>
  outlet: { readonly writable: boolean }
  onError(error: unknown): void
}): Pump {
  const { sources, outlet, onError } = components
  let running = false
  /** Where the round is; a full outlet ends no round, so that the first source can't keep the others waiting. */
  let round = begin()

  /** Goes on with the round: a step of each ready source, then the next round. */
  function proceed(): void {
    try {
      while (outlet.writable) {
        const next = round.next()
        if (next.done === true) {
          round = begin()
          if (!hasReady(sources())) break
          later(nextTurn())
          return
        }
        const step = next.value.ready ? next.value.advance() : undefined
        if (step === undefined) continue
        // What the store answers may be there at once: waiting for it alone would let nobody else in.
        later(step.then(() => nextTurn()))
        return
      }
      running = false
    } catch (error) {
      fail(error)
    }
  }

  function later(wait: Promise<void>): void {
    wait.then(proceed).catch(fail)
  }

  function begin(): Iterator<Source> {
    return sources()[Symbol.iterator]()
  }

  function fail(error: unknown): void {
    running = false
    onError(error)
  }

  return {
    run() {
      if (running) return
      running = true
      proceed()
    },
  }
}

function hasReady(sources: Iterable<Source>): boolean {
  for (const { ready } of sources) if (ready) return true
  return false
}
