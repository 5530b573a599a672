/**
 * Time in which this process runs, for waits for what others send: while it stands still, what they have sent is not read
 * either, so a wait that ended right after would end too early.
 */
export interface RunningTime {
  /** Milliseconds from an arbitrary origin. Never goes back; stands still before `start` and after `stop`. */
  now(): number
  start(): void
  stop(): void
}

/** Milliseconds between two looks at the monotonic clock, and how many of those since the last look count. */
const lookMs = 250
const maxCountedMs = 2 * lookMs

export function createRunningTime(): RunningTime {
  let counted = 0
  let lookedAt = performance.now()
  let timer: NodeJS.Timeout | undefined

  const now = () => (timer === undefined ? counted : counted + Math.min(maxCountedMs, performance.now() - lookedAt))

  function look(): void {
    counted = now()
    lookedAt = performance.now()
  }

  return {
    now,
    start() {
      lookedAt = performance.now()
      timer ??= setInterval(look, lookMs).unref()
    },
    stop() {
      look()
      clearInterval(timer)
      timer = undefined
    },
  }
}
