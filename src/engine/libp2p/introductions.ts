import type { Connection } from '@libp2p/interface'
import { openFor } from './transport/open-for.ts'

/**
 * Which peers have said on a connection who they are. To dial a peer that wants no link looks like a success until then: it closes what it
 * has let this node open.
 */
export interface Introductions {
  /** The peer of the connection has said who it is. */
  made(connection: Connection): void
  /** Resolves when it has, when the connection is closed or the signal fires, or when the peer is late; then that is all there is to know. */
  wait(connection: Connection, signal: AbortSignal): Promise<void>
}

/** Milliseconds after the connection was opened: as long as libp2p itself waits for the answer. */
const introductionMs = 5_000

export function createIntroductions(): Introductions {
  const introduced = new WeakSet<Connection>()
  const waiting = new Map<Connection, Set<() => void>>()

  return {
    made(connection) {
      introduced.add(connection)
      for (const end of waiting.get(connection) ?? []) end()
    },
    async wait(connection, signal) {
      const left = introductionMs - openFor(connection)
      if (introduced.has(connection) || connection.status !== 'open' || signal.aborted || left <= 0) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const end = () => resolve()
      const others = waiting.get(connection) ?? new Set()
      waiting.set(connection, others.add(end))
      const timer = setTimeout(end, left)
      connection.addEventListener('close', end)
      signal.addEventListener('abort', end)
      await promise
      clearTimeout(timer)
      connection.removeEventListener('close', end)
      signal.removeEventListener('abort', end)
      if (others.delete(end) && others.size === 0) waiting.delete(connection)
    },
  }
}
