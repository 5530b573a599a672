/** Remembers recent writes to a peer: enough to tell what the peer may not have received when it stops reading. */
export interface WrittenLately {
  /** @param id the first message of a frame; called only occasionally */
  note(id: () => string, frameBytes: number): void
  /** The first message written within the last `ms` milliseconds, or slightly earlier; undefined without such a message. */
  since(ms: number): string | undefined
  /** Bytes of the largest frame within the last `ms` milliseconds; 0 without such a frame. */
  largest(ms: number): number
}

/** Writes within one step of time: the first message, and the largest frame. */
interface Step {
  at: number
  id: string
  largest: number
}

/** @param init.keepMs retention by the monotonic clock; `stepMs`: resolution */
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
