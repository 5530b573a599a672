/**
 * A signal that fires with any of the given signals, or after a timeout. Dispose of it when the work is done:
 * AbortSignal.timeout and AbortSignal.any stay alive until the timeout, which adds up to thousands of them under many
 * requests.
 */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
  /** Whether it fired because of the timeout. */
  readonly isOver: boolean
}

export function createDeadline(ms: number, signals: AbortSignal[]): Deadline {
  const controller = new AbortController()
  let isOver = false
  const timer = setTimeout(() => {
    if (controller.signal.aborted) return
    isOver = true
    controller.abort(new Error('the deadline has passed'))
  }, ms)
  const follow = ({ target }: Event) => controller.abort(target instanceof AbortSignal ? target.reason : undefined)
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason)
    signal.addEventListener('abort', follow)
  }
  return {
    signal: controller.signal,
    get isOver() {
      return isOver
    },
    [Symbol.dispose]() {
      clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', follow)
    },
  }
}
