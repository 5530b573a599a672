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
 * is ready or the outlet is full, and `run` sets it going again.
 */
export function createPump(components: {
  sources(): Iterable<Source>
  outlet: { readonly writable: boolean }
  onError(error: unknown): void
}): Pump {
  const { sources, outlet, onError } = components
  let running = false

  /** One step of every ready source; a promise when a step needs the store, undefined when none was ready. */
  function* turns(): Generator<Promise<void> | undefined> {
    for (let progressed = true; progressed; ) {
      progressed = false
      for (const source of [...sources()]) {
        if (!outlet.writable) return
        if (!source.ready) continue
        progressed = true
        yield source.advance() ?? undefined
      }
    }
  }

  function proceed(turn: Generator<Promise<void> | undefined>): void {
    try {
      for (let step = turn.next(); step.done !== true; step = turn.next()) {
        if (step.value === undefined) continue
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
