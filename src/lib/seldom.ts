/** Says whether something is due again, by a key: the first time, and then once an interval. */
export type Seldom = (key: string) => boolean

/** Keys that are remembered, the oldest forgotten first. */
const maxKeys = 1_000

/** For log lines about what happens far more often than is worth a line. */
export function createSeldom(init: { everyMs: number }, components: { now?: () => number } = {}): Seldom {
  const { now = () => performance.now() } = components
  const lastAt = new Map<string, number>()
  return (key) => {
    if (now() - (lastAt.get(key) ?? Number.NEGATIVE_INFINITY) < init.everyMs) return false
    lastAt.delete(key)
    lastAt.set(key, now())
    const [oldest] = lastAt.keys()
    if (lastAt.size > maxKeys && oldest !== undefined) lastAt.delete(oldest)
    return true
  }
}

/** Milliseconds between two lines in the log about one peer, or one address, that keeps failing in the same way. */
export const sayAgainMs = 300_000
