import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Overloaded } from '../errors.ts'
import type { Limits } from '../limits.ts'

/**
 * Measures the delay of the event loop. While it exceeds `maxEventLoopDelayMs`, new work is refused with a retry hint,
 * so that existing work and heartbeats proceed.
 */
export interface LoadWatch {
  start(): Promise<void>
  stop(): Promise<void>
  /** Recent mean delay, in milliseconds. */
  readonly delayMs: number
  readonly overloaded: boolean
  /** @throws Overloaded while the delay exceeds the limit */
  check(): void
}

/** Milliseconds between two measurements. */
const intervalMs = 250
/** Sampling resolution, in milliseconds: the delay measured on an idle event loop. */
const resolutionMs = 10
/** Retry hint for clients, in milliseconds. */
const retryAfterMs = 2_000

export function createLoadWatch({ limits }: { limits: Pick<Limits, 'maxEventLoopDelayMs'> }): LoadWatch {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  let timer: NodeJS.Timeout | undefined
  let delayMs = 0

  let lastLook = 0

  /** Exponential average with factor 1/2, so that a single measurement neither starts nor ends an overload. */
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
      if (watch.overloaded) throw new Overloaded('The event loop of this gateway is overloaded.', { retryAfterMs })
    },
  }
  return watch
}
