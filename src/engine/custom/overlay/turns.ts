/**
 * Gives each of many items a turn in every round, a part of them at a time, so that no moment has the work of all. An
 * item that is woken has its turn at once.
 */
export interface Turns<Item> {
  add(item: Item): void
  delete(item: Item): void
  wake(item: Item): void
  /** Visits the items whose turn has come since the last call. @param now milliseconds that do not go back */
  take(now: number, visit: (item: Item) => void): void
}

/**
 * @param init.turns parts of a round
 * @param init.turnMs milliseconds of a part
 * @param init.maxWoken woken items of one call; more are due in the next
 */
export function createTurns<Item>(init: { turns: number; turnMs: number; maxWoken: number }): Turns<Item> {
  const parts = Array.from({ length: init.turns }, () => new Set<Item>())
  const woken = new Set<Item>()
  let last: number | undefined

  return {
    add(item) {
      const [smallest] = parts.toSorted((one, other) => one.size - other.size)
      smallest?.add(item)
      woken.add(item)
    },
    delete(item) {
      for (const part of parts) part.delete(item)
      woken.delete(item)
    },
    wake: (item) => void woken.add(item),
    take(now, visit) {
      for (const item of [...woken].slice(0, init.maxWoken)) {
        woken.delete(item)
        visit(item)
      }
      const turn = Math.floor(now / init.turnMs)
      const missed = Math.min(init.turns, turn - (last ?? Number.NEGATIVE_INFINITY))
      for (let at = turn - missed + 1; at <= turn; at++) for (const item of parts[at % init.turns] ?? []) visit(item)
      last = turn
    },
  }
}
