import type { Connection } from '@libp2p/interface'

/** When connections were opened, by the monotonic clock. */
const openedAt = new WeakMap<Connection, number>()

/**
 * Age of a connection in milliseconds. libp2p records the opening by the wall clock, which may step, so that is read
 * only once, on the first call.
 */
export function openFor(connection: Connection): number {
  const known = openedAt.get(connection)
  if (known !== undefined) return performance.now() - known
  const ms = Math.max(0, Date.now() - connection.timeline.open)
  openedAt.set(connection, performance.now() - ms)
  return ms
}
