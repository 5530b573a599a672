/** What a timer holds: 24 days. */
const maxTimerMs = 2 ** 31 - 1
const nothing: Disposable = { [Symbol.dispose]: () => undefined }

/** Calls when a time has come (milliseconds since 1970; never without one), unless it is disposed of before. */
export function createExpiry(expiresAt: number | undefined, now: () => number, onExpiry: () => void): Disposable {
  let timer: NodeJS.Timeout | undefined

  function wait(at: number): void {
    timer = setTimeout(() => (at <= now() ? onExpiry() : wait(at)), Math.min(Math.max(0, at - now()), maxTimerMs))
  }

  if (expiresAt === undefined) return nothing
  wait(expiresAt)
  return { [Symbol.dispose]: () => clearTimeout(timer) }
}
