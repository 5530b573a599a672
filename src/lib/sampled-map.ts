/** A map with random sampling, whose cost depends on the size of the sample, not of the map. */
export interface SampledMap<Value> {
  readonly size: number
  get(key: string): Value | undefined
  set(key: string, value: Value): void
  delete(key: string): void
  /**
   * Draws `count` distinct entries, or all if there are fewer; every set of entries is equally likely. `random` returns
   * a number in [0, 1).
   */
  sample(count: number, random: () => number): Array<[string, Value]>
  [Symbol.iterator](): IterableIterator<[string, Value]>
}

export function createSampledMap<Value>(): SampledMap<Value> {
  const entries = new Map<string, { at: number; value: Value }>()
  /** In any order; `at` is the index of the entry's key. */
  const keys: string[] = []

  function put(key: string, at: number): void {
    const entry = entries.get(key)
    if (entry === undefined) return
    keys[at] = key
    entry.at = at
  }

  return {
    get size() {
      return keys.length
    },
    get: (key) => entries.get(key)?.value,
    set(key, value) {
      const entry = entries.get(key)
      if (entry !== undefined) entry.value = value
      else entries.set(key, { at: keys.push(key) - 1, value })
    },
    delete(key) {
      const entry = entries.get(key)
      const last = keys.at(-1)
      if (entry === undefined || last === undefined) return
      put(last, entry.at)
      keys.pop()
      entries.delete(key)
    },
    sample(count, random) {
      const drawn: Array<[string, Value]> = []
      // The first steps of a Fisher–Yates shuffle: drawn keys move to the front.
      for (let at = 0; at < Math.min(count, keys.length); at++) {
        const from = at + Math.floor(random() * (keys.length - at))
        const [there = '', key = ''] = [keys[at], keys[from]]
        put(key, at)
        put(there, from)
        const entry = entries.get(key)
        if (entry !== undefined) drawn.push([key, entry.value])
      }
      return drawn
    },
    *[Symbol.iterator]() {
      for (const [key, { value }] of entries) yield [key, value]
    },
  }
}
