/** Listeners of a lower layer's notices. */
export interface Watchers<Args extends unknown[]> {
  /** Returns a function that ends the watch. */
  watch(watcher: (...args: Args) => unknown): () => void
  /** Calls every watcher, in order of registration, before it returns; resolves when all of them have finished. */
  tell(...args: Args): Promise<void>
  /** Number of watchers. */
  readonly size: number
}

export function createWatchers<Args extends unknown[] = []>(): Watchers<Args> {
  const watchers = new Set<(...args: Args) => unknown>()
  return {
    watch(watcher) {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    tell: (...args) => Promise.all(Array.from(watchers, (watcher) => watcher(...args))).then(() => undefined),
    get size() {
      return watchers.size
    },
  }
}
