import { BoundedMap } from './bounded-map.ts'

/** Whether an event is due again, by key: the first time, and then once per interval. */
export type Seldom = (key: string) => boolean

/** Maximum number of remembered keys; the oldest is evicted. */
const maxKeys = 1_000

/** Limits log lines about frequent events. */
export function createSeldom(init: { everyMs: number }, components: { now?: () => number } = {}): Seldom {
  const { now = () => performance.now() } = components
  const lastAt = new BoundedMap<string, number>({ max: maxKeys })
  return (key) => {
    if (now() - (lastAt.get(key) ?? Number.NEGATIVE_INFINITY) < init.everyMs) return false
    lastAt.set(key, now())
    return true
  }
}

/** Milliseconds between two log lines about one peer or address that keeps failing in the same way. */
export const sayAgainMs = 300_000
