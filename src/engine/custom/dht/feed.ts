/** Iterates over the items that a task pushes, as it pushes them. The task's signal fires when the iteration ends. */
export async function* feed<Item>(task: (push: (item: Item) => void, signal: AbortSignal) => Promise<void>): AsyncGenerator<Item> {
  const items: Item[] = []
  const stop = new AbortController()
  let wake = Promise.withResolvers<void>()
  let failure: unknown
  let over = false
  const running = task((item) => {
    items.push(item)
    wake.resolve()
  }, stop.signal)
    .catch((error: unknown) => {
      failure = error
    })
    .finally(() => {
      over = true
      wake.resolve()
    })
  try {
    for (;;) {
      yield* items.splice(0)
      if (over && items.length === 0) break
      if (items.length > 0) continue
      await wake.promise
      wake = Promise.withResolvers<void>()
    }
  } finally {
    stop.abort()
    await running
  }
  if (failure !== undefined) throw failure
}
