/**
 * Time in which this process runs, for waits for what others send: while it stands still, what they have sent is not read
 * either, so a wait that ended right after would end too early.
 */
export interface RunningTime {
  /** Milliseconds from an arbitrary origin. Never goes back; stands still before `start` and after `stop`. */
  now(): number
  /** Milliseconds in which this process has run since an instant of the monotonic clock (`performance.now`), while started. */
  since(instant: number): number
  start(): void
  stop(): void
}

/** Milliseconds between two looks at the monotonic clock, and how many of those since the last look count. */
const lookMs = 250
const maxCountedMs = 2 * lookMs
/** Maximum remembered pauses, 64 bytes each. Older ones count as if the process had run. */
const maxPauses = 32

export function createRunningTime(): RunningTime {
  let counted = 0
  let lookedAt = performance.now()
  let timer: NodeJS.Timeout | undefined

  const pauses: Array<{ until: number; ms: number }> = []

  const now = () => (timer === undefined ? counted : counted + Math.min(maxCountedMs, performance.now() - lookedAt))

  /** Milliseconds that do not count, since the last look. */
  const missed = () => (timer === undefined ? 0 : Math.max(0, performance.now() - lookedAt - maxCountedMs))

  function look(): void {
    counted = now()
    const ms = missed()
    lookedAt = performance.now()
    if (ms > 0) pauses.push({ until: lookedAt, ms })
    if (pauses.length > maxPauses) pauses.shift()
  }

  return {
    now,
    since(instant) {
      const before = pauses.reduce((sum, { until, ms }) => (until > instant ? sum + ms : sum), 0)
      return Math.max(0, performance.now() - instant - before - missed())
    },
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
