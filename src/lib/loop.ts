/** Work that runs when it is asked for, one run at a time. */
export interface Loop {
  /** Begins a run. During a run, asks for another one after it: what has changed meanwhile may have come too late for it. */
  ask(): void
  /** Resolves when no run is in progress or asked for. */
  idle(): Promise<void>
}

/** @param components.onError a failed run ends; the next one begins when it is asked for */
export function createLoop(components: { work(): Promise<void>; onError(error: unknown): void }): Loop {
  const { work, onError } = components
  let isAsked = false
  let running: Promise<void> | undefined

  async function run(): Promise<void> {
    while (isAsked) {
      isAsked = false
      await work().catch(onError)
    }
    // Right after the last look at `isAsked`: a request between the two would be lost.
    running = undefined
  }

  return {
    ask() {
      isAsked = true
      running ??= run()
    },
    async idle() {
      while (running !== undefined) await running
    },
  }
}
