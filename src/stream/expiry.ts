/** The longest delay of a timer: 24 days. */
const maxTimerMs = 2 ** 31 - 1
const nothing: Disposable = { [Symbol.dispose]: () => undefined }

/** Calls `onExpiry` at a wall time (milliseconds since 1970), unless disposed of before. Never calls without a time. */
export function createExpiry(expiresAt: number | undefined, now: () => number, onExpiry: () => void): Disposable {
  let timer: NodeJS.Timeout | undefined

  function wait(at: number): void {
    timer = setTimeout(() => (at <= now() ? onExpiry() : wait(at)), Math.min(Math.max(0, at - now()), maxTimerMs))
  }

  if (expiresAt === undefined) return nothing
  wait(expiresAt)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}
