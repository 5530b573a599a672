import type { Connection } from '@libp2p/interface'
import { createDeadline } from '../../lib/deadline.ts'
import { openFor } from './transport/open-for.ts'

/**
 * Tracks which connections have completed identify. Until then a dial of a peer that refuses links looks successful:
 * the peer closes what this node has opened.
 */
export interface Introductions {
  /** The peer of the connection has identified itself. */
  made(connection: Connection): void
  has(connection: Connection): boolean
  /** Resolves when the peer has identified itself, the connection closes, the signal fires, or the peer is late. */
  wait(connection: Connection, signal: AbortSignal): Promise<void>
}

/** Milliseconds after the connection was opened: libp2p's own timeout of identify. */
const introductionMs = 5_000

export function createIntroductions(): Introductions {
  const introduced = new WeakSet<Connection>()
  const waiting = new Map<Connection, Set<() => void>>()

  return {
    made(connection) {
      introduced.add(connection)
      for (const end of waiting.get(connection) ?? []) end()
    },
    has: (connection) => introduced.has(connection),
    async wait(connection, signal) {
      const left = introductionMs - openFor(connection)
      if (introduced.has(connection) || connection.status !== 'open' || signal.aborted || left <= 0) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const end = () => resolve()
      const others = waiting.get(connection) ?? new Set()
      waiting.set(connection, others.add(end))
      using deadline = createDeadline(left, [signal])
      connection.addEventListener('close', end)
      deadline.signal.addEventListener('abort', end)
      await promise
      connection.removeEventListener('close', end)
      if (others.delete(end) && others.size === 0) waiting.delete(connection)
    },
  }
}
