/** Remembers what was written to a peer, as far as it takes to know what the peer may not have got when it stops to read. */
export interface WrittenLately {
  /** @param id the first message of a frame; asked for only now and then */
  note(id: () => string, frameBytes: number): void
  /** The first message that was written within this time, or a little before; nothing when none was. In milliseconds. */
  since(ms: number): string | undefined
  /** Bytes of the largest frame within this time; 0 when there was none. */
  largest(ms: number): number
}

/** Written within one step of time: its first message, and its largest frame. */
interface Step {
  at: number
  id: string
  largest: number
}

/** @param init.keepMs for how long it is remembered, by the monotonic clock; `stepMs` how exactly */
export function createWrittenLately({ keepMs, stepMs }: { keepMs: number; stepMs: number }): WrittenLately {
  const steps: Step[] = []

  function lately(ms: number): Step[] {
    const first = steps.findIndex(({ at }) => at + stepMs >= performance.now() - ms)
    return first === -1 ? [] : steps.slice(first)
  }

  return {
    note(id, frameBytes) {
      const at = performance.now()
      const last = steps.at(-1)
      if (last !== undefined && at < last.at + stepMs) {
        last.largest = Math.max(last.largest, frameBytes)
        return
      }
      steps.push({ at, id: id(), largest: frameBytes })
      while (steps[0] !== undefined && steps[0].at + stepMs < at - keepMs) steps.shift()
    },
    since: (ms) => lately(ms)[0]?.id,
    largest: (ms) => Math.max(0, ...lately(ms).map(({ largest }) => largest)),
  }
}
