/** Work that runs when it is asked for, one run at a time. */
export interface Loop {
  /** Begins a run. During a run, asks for another one after it: what has changed meanwhile may have come too late for it. */
  ask(): void
  /** The same. Resolves when the run that begins now, or next, has ended, whatever is asked for meanwhile. */
  next(): Promise<void>
  /** Resolves when no run is in progress or asked for. */
  idle(): Promise<void>
}

/** @param components.onError a failed run ends; the next one begins when it is asked for */
export function createLoop(components: { work(): Promise<void>; onError(error: unknown): void }): Loop {
  const { onError } = components
  /** The run that is asked for and has not begun. */
  let asked: PromiseWithResolvers<void> | undefined
  let running: Promise<void> | undefined

  // Takes a turn of the event loop even if it throws at once.
  async function work(): Promise<void> {
    await components.work()
  }

  async function run(): Promise<void> {
    try {
      for (let turn = asked; turn !== undefined; turn = asked) {
        asked = undefined
        await work().catch(onError).finally(turn.resolve)
      }
    } finally {
      // Right after the last look at `asked`: a request between the two would be lost.
      running = undefined
    }
  }

  function next(): Promise<void> {
    asked ??= Promise.withResolvers()
    const { promise } = asked
    running ??= run()
    return promise
  }

  return {
    ask: () => void next(),
    next,
    async idle() {
      while (running !== undefined) await running
    },
  }
}
