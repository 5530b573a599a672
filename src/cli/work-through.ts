export interface WorkThroughInit<Item> {
  /** Items in work at once. */
  readonly concurrency: number
  /** Items after which no more are taken. */
  readonly limit: number
  /** When it fires, no more are taken. */
  readonly signal: AbortSignal
  /** Waits for at most `room` items; may give none. The signal ends the waiting. */
  pull(room: number, signal: AbortSignal): Promise<Item[]>
  /** When it rejects, no more items are taken. */
  handle(item: Item): Promise<void>
}

/**
 * Takes items and works on them until it is told to stop, the limit is reached, or something fails. Returns, or throws
 * what failed, when the work on all that was taken has ended.
 */
export async function workThrough<Item>({ concurrency, limit, signal, pull, handle }: WorkThroughInit<Item>): Promise<void> {
  const failing = new AbortController()
  const ending = AbortSignal.any([signal, failing.signal])
  const running = new Set<Promise<void>>()

  function begin(item: Item): void {
    const work = handle(item)
      .catch((error) => failing.abort(error))
      .finally(() => running.delete(work))
    running.add(work)
  }

  let left = limit
  try {
    while (left > 0 && !ending.aborted) {
      if (running.size >= concurrency) {
        await Promise.race(running)
        continue
      }
      const items = await pull(Math.min(concurrency - running.size, left), ending)
      left -= items.length
      for (const item of items) begin(item)
    }
  } catch (error) {
    if (!ending.aborted) failing.abort(error)
  }
  await Promise.all(running)
  failing.signal.throwIfAborted()
}
