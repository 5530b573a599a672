/**
 * A map of at most `max` entries, in the order in which they were last set or used. Beyond the maximum the first entry
 * is evicted. `get` and `has` are no use; `set` is one, also of a key that has a value.
 */
export class BoundedMap<Key, Value> extends Map<Key, Value> {
  readonly #max: number
  readonly #onEvicted: ((key: Key, value: Value) => void) | undefined

  /** @param init.onEvicted is called after an entry made room for another */
  constructor(init: { max: number; onEvicted?: (key: Key, value: Value) => void }) {
    super()
    this.#max = init.max
    this.#onEvicted = init.onEvicted
  }

  override set(key: Key, value: Value): this {
    this.delete(key)
    super.set(key, value)
    if (this.size > this.#max) this.#evict()
    return this
  }

  /** The value of a key, which becomes the most recently used. */
  use(key: Key): Value | undefined {
    const value = this.get(key)
    if (value !== undefined) this.set(key, value)
    return value
  }

  /** Deletes entries in order, up to the first one that is not due. */
  deleteWhile(isDue: (value: Value) => boolean): void {
    for (const [key, value] of this) {
      if (!isDue(value)) return
      this.delete(key)
    }
  }

  #evict(): void {
    for (const [key, value] of this) {
      this.delete(key)
      this.#onEvicted?.(key, value)
      return
    }
  }
}
