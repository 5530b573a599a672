/** Work of which one run at a time is in progress. */
export interface SingleFlight<Result> {
  /** Begins a run, or joins the one in progress. */
  run(): Promise<Result>
  /** Resolves when the run in progress has ended, also if it failed. */
  idle(): Promise<void>
}

export function createSingleFlight<Result>(work: () => Promise<Result>): SingleFlight<Result> {
  let running: Promise<Result> | undefined
  return {
    run() {
      running ??= work().finally(() => {
        running = undefined
      })
      return running
    },
    async idle() {
      await running?.catch(() => undefined)
    },
  }
}
