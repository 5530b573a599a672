import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Overloaded } from '../errors.ts'

/**
 * Watches how late the event loop is. While it is too late, new work is refused, so that what is there, heartbeats first, gets its turn;
 * clients that are refused come back.
 */
export interface LoadWatch {
  start(): Promise<void>
  stop(): Promise<void>
  /** Mean delay of late, in milliseconds. */
  readonly delayMs: number
  readonly overloaded: boolean
  /** @throws Overloaded while the event loop is too late */
  check(): void
}

/** Milliseconds between two looks. */
const intervalMs = 250
/** Resolution of the sampling, in milliseconds: what a punctual event loop shows as its delay. */
const resolutionMs = 10
/** Milliseconds after which a client may try again. */
const retryAfterMs = 2_000

export function createLoadWatch({ limits }: { limits: { maxEventLoopDelayMs: number } }): LoadWatch {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  let timer: NodeJS.Timeout | undefined
  let delayMs = 0

  let lastLook = 0

  /** Half of the new and half of the old: one late turn is no overload, and one punctual turn no end of it. */
  function look(): void {
    const now = performance.now()
    const mean = histogram.count === 0 ? 0 : histogram.mean / 1e6 - resolutionMs
    const late = now - lastLook - intervalMs
    delayMs = (delayMs + Math.max(mean, late, 0)) / 2
    lastLook = now
    histogram.reset()
  }

  const watch: LoadWatch = {
    async start() {
      histogram.enable()
      lastLook = performance.now()
      timer = setInterval(look, intervalMs)
    },
    async stop() {
      clearInterval(timer)
      histogram.disable()
      delayMs = 0
    },
    get delayMs() {
      return delayMs
    },
    get overloaded() {
      return delayMs > limits.maxEventLoopDelayMs
    },
    check() {
      if (watch.overloaded) throw new Overloaded('This gateway has more work than it can keep up with.', { retryAfterMs })
    },
  }
  return watch
}
