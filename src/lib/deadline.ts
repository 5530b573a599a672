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

/** @param ms milliseconds until the timeout, whose reason is a `TimeoutError` */
export function createDeadline(ms: number, signals: AbortSignal[]): Deadline {
  const controller = new AbortController()
  let isOver = false
  const timer = setTimeout(() => {
    if (controller.signal.aborted) return
    isOver = true
    controller.abort(new DOMException('the deadline has passed', 'TimeoutError'))
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

/** The result of the work, or the signal's reason as soon as it fires; the work itself continues. */
export async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort)
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
