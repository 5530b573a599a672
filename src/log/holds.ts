/** What must wait while any hold of it lasts. */
export interface Holds {
  readonly isOn: boolean
  /** Lasts until it is disposed of, or for `maxMs`. */
  begin(): Disposable
  endAll(): void
}

/** @param init.maxMs milliseconds of running time (lib/running-time.ts) */
export function createHolds(init: { maxMs: number }, components: { now(): number; onEnd(): void }): Holds {
  const { maxMs } = init
  const { now, onEnd } = components
  const holds = new Set<Disposable>()

  return {
    get isOn() {
      return holds.size > 0
    },
    begin() {
      const end = now() + maxMs
      const hold: Disposable = {
        [Symbol.dispose]() {
          clearTimeout(timer)
          if (holds.delete(hold) && holds.size === 0) onEnd()
        },
      }
      const look = () => {
        if (now() < end) timer = setTimeout(look, end - now())
        else hold[Symbol.dispose]()
      }
      let timer = setTimeout(look, maxMs)
      holds.add(hold)
      return hold
    },
    endAll() {
      for (const hold of [...holds]) hold[Symbol.dispose]()
    },
  }
}
