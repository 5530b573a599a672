import type { Connection } from '@libp2p/interface'

/** By the monotonic clock, when connections were opened. */
const openedAt = new WeakMap<Connection, number>()

/**
 * For how many milliseconds a connection has been open. libp2p notes when it was opened by the wall clock, which may step; so that is looked at
 * once, the first time somebody asks.
 */
export function openFor(connection: Connection): number {
  const known = openedAt.get(connection)
  if (known !== undefined) return performance.now() - known
  const ms = Math.max(0, Date.now() - connection.timeline.open)
  openedAt.set(connection, performance.now() - ms)
  return ms
}
