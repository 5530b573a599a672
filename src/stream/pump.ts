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

  /** Steps of the ready sources, one after another; what each has to wait for before the next. */
  function* turns(): Generator<Promise<void>> {
    for (;;) {
      for (const source of [...sources()]) {
        if (!outlet.writable) return
        if (!source.ready) continue
        const step = source.advance()
        // What the store answers may be there at once: waiting for it alone would let nobody else in.
        if (step !== undefined) yield step.then(() => nextTurn())
      }
      if (!outlet.writable || !hasReady(sources())) return
      yield nextTurn()
    }
  }

  function proceed(turn: Generator<Promise<void>>): void {
    try {
      const step = turn.next()
      if (step.done !== true) {
        step.value.then(() => proceed(turn)).catch(fail)
        return
      }
      running = false
    } catch (error) {
      fail(error)
    }
  }

  function fail(error: unknown): void {
    running = false
    onError(error)
  }

  return {
    run() {
      if (running) return
      running = true
      proceed(turns())
    },
  }
}

function hasReady(sources: Iterable<Source>): boolean {
  for (const { ready } of sources) if (ready) return true
  return false
}
