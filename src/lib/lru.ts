import { BoundedMap } from './bounded-map.ts'

/** The value of each key, made on first use. Only the `max` most recently used are kept. */
export function createLru<Value>(init: { max: number }, make: (key: string) => Value): (key: string) => Value {
  const values = new BoundedMap<string, Value>(init)
  /** The last one that was used is in its place already: many ask for one key again and again. */
  let last: { key: string; value: Value } | undefined
  return (key) => {
    if (last?.key === key) return last.value
    const value = values.get(key) ?? make(key)
    values.set(key, value)
    last = { key, value }
    return value
  }
}
