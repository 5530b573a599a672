/**
 * A signal that fires with any of others, or when its time is over. To be disposed of when the work is done: AbortSignal.timeout and
 * AbortSignal.any live on until the time is over, which is thousands of them where requests are many.
 */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal
  /** Whether it fired since its time was over. */
  readonly isOver: boolean
}

export function createDeadline(ms: number, signals: AbortSignal[]): Deadline {
  const controller = new AbortController()
  let isOver = false
  const timer = setTimeout(() => {
    if (controller.signal.aborted) return
    isOver = true
    controller.abort(new Error('the time is over'))
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
