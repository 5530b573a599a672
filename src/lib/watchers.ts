/**
 * Listeners of a lower layer's notices. The failure of one is neither the caller's nor the others': it becomes an
 * unhandled rejection, which the edge of the process logs.
 */
export interface Watchers<Args extends unknown[]> {
  /** Returns a function that ends the watch. */
  watch(watcher: (...args: Args) => unknown): () => void
  /** Calls every watcher, in order of registration, before it returns. Never throws. */
  tell(...args: Args): void
  /** The same, for who needs the work of the watchers: resolves when all have finished. @throws what the first that fails throws */
  tellAndWait(...args: Args): Promise<void>
  /** Number of watchers. */
  readonly size: number
}

export function createWatchers<Args extends unknown[] = []>(): Watchers<Args> {
  const watchers = new Set<(...args: Args) => unknown>()

  /** A watcher that throws counts as one that rejects, so that those after it are called. */
  function callAll(args: Args): Array<Promise<unknown>> {
    return Array.from(watchers, (watcher) => Promise.try(watcher, ...args))
  }

  return {
    watch(watcher) {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    tell: (...args) => void callAll(args),
    tellAndWait: (...args) => Promise.all(callAll(args)).then(() => undefined),
    get size() {
      return watchers.size
    },
  }
}
