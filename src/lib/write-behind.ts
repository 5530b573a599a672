import { createLoop } from './loop.ts'

/** Writes what its owner collects, some time after the first of it, so that many changes share one write. */
export interface WriteBehind {
  /** Something was collected: it is written within `delayMs`, or after the write in progress. */
  later(): void
  /** Writes at once. Resolves when everything that was collected before the call has been written, or has failed. */
  flush(): Promise<void>
}

/**
 * @param init.delayMs milliseconds for which changes are collected
 * @param components.write writes what has been collected; called by one write at a time, also when there is nothing
 * @param components.onError a write has failed; what it leaves in the buffer is written with the next one
 */
export function createWriteBehind(
  init: { delayMs: number },
  components: { write(): Promise<void>; onError(error: unknown): void },
): WriteBehind {
  const writes = createLoop({ work: components.write, onError: components.onError })
  let timer: NodeJS.Timeout | undefined

  function begin(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    return writes.next()
  }

  return {
    later() {
      timer ??= setTimeout(begin, init.delayMs)
    },
    flush: begin,
  }
}
