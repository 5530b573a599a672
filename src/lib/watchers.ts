/** Those who want to be told of something, by a part that stands below them. */
export interface Watchers<Args extends unknown[]> {
  /** Answers what ends the watch. */
  watch(watcher: (...args: Args) => unknown): () => void
  /** Tells each, in the order in which they came, before it returns; resolves when all have dealt with it. */
  tell(...args: Args): Promise<void>
}

export function createWatchers<Args extends unknown[] = []>(): Watchers<Args> {
  const watchers = new Set<(...args: Args) => unknown>()
  return {
    watch(watcher) {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    tell: (...args) => Promise.all(Array.from(watchers, (watcher) => watcher(...args))).then(() => undefined),
  }
}
