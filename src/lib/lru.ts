import { BoundedMap } from './bounded-map.ts'

/** The value of each key, made on first use. Only the `max` most recently used are kept. */
export function createLru<Value>(init: { max: number }, make: (key: string) => Value): (key: string) => Value {
  const values = new BoundedMap<string, Value>(init)
  return (key) => {
    const value = values.get(key) ?? make(key)
    values.set(key, value)
    return value
  }
}
