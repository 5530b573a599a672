/** Counts occurrences by key. */
export interface Counter {
  add(key: string): void
  remove(key: string): void
  count(key: string): number
  readonly keys: string[]
}

export function createCounter(): Counter {
  const counts = new Map<string, number>()
  return {
    add: (key) => void counts.set(key, (counts.get(key) ?? 0) + 1),
    remove(key) {
      const left = (counts.get(key) ?? 0) - 1
      if (left > 0) counts.set(key, left)
      else counts.delete(key)
    },
    count: (key) => counts.get(key) ?? 0,
    get keys() {
      return [...counts.keys()]
    },
  }
}
