/** Intervals are counted from here, and as long as this, by default of the Durable Streams protocol (§10.1). */
const epoch = Date.parse('2024-10-09T00:00:00Z')
const intervalMs = 20_000
/** Maximum seconds by which a cursor runs ahead of one that a client has sent. */
const maxJitterSeconds = 3_600

/**
 * The number that a client of the Durable Streams protocol sends with its next live request, so that a cache in between
 * gives the same answer to those who wait at the same time, and to nobody forever: greater than the number that the
 * client has sent.
 */
export function collapsingCursor(now: number, echoed: string | undefined): number {
  const current = Math.floor((now - epoch) / intervalMs)
  const last = /^\d{1,15}$/.test(echoed ?? '') ? Number(echoed) : -1
  if (last < current) return current
  const jitterMs = (1 + Math.random() * (maxJitterSeconds - 1)) * 1_000
  return last + Math.max(1, Math.floor(jitterMs / intervalMs))
}
