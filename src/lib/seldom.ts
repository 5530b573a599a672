/** Whether an event is due again, by key: the first time, and then once per interval. */
export type Seldom = (key: string) => boolean

/** Maximum number of remembered keys; the oldest is evicted. */
const maxKeys = 1_000

/** Limits log lines about frequent events. */
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

/** Milliseconds between two log lines about one peer or address that keeps failing in the same way. */
export const sayAgainMs = 300_000
