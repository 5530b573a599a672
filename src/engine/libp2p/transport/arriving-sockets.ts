import { once } from 'node:events'
import { Socket } from 'node:net'
import type { MultiaddrConnection } from '@libp2p/interface'
import { orAborted } from '../../../lib/deadline.ts'
import { withoutPeerId } from '../../dial/endpoint.ts'

/**
 * Sockets that have come to the listening port, of peers that have not yet authenticated, by remote address. When both
 * ends of a hole dial, the system may accept the peer's dial before this end has made its own. Each end of that socket
 * waits for the other to begin the handshake, and while it is there, no dial can be made between the two ports.
 */
export interface ArrivingSockets {
  /** Notes a socket while the work, its handshake, is in progress. */
  during<Result>(socket: MultiaddrConnection, work: () => Promise<Result>): Promise<Result>
  /** Ends the socket from an address, if there is one. Resolves when its ports are free. */
  end(from: string): Promise<void>
  /** The same, and waits for a socket that the system has accepted, and that is yet to be seen here. @throws the signal's reason */
  ended(from: string, signal: AbortSignal): Promise<void>
}

export function createArrivingSockets(): ArrivingSockets {
  const arriving = new Map<string, MultiaddrConnection>()
  const awaited = new Map<string, PromiseWithResolvers<void>>()

  async function end(from: string): Promise<void> {
    const socket = arriving.get(from)
    if (socket === undefined) return
    // The connection is closed before the system has closed its socket.
    const inner: unknown = Reflect.get(socket, 'socket')
    const closed = inner instanceof Socket && !inner.closed ? once(inner, 'close') : Promise.resolve()
    socket.abort(new Error('this end dials the peer'))
    await closed.catch(() => undefined)
  }

  async function arrival(from: string, signal: AbortSignal): Promise<void> {
    const expected = awaited.get(from) ?? Promise.withResolvers<void>()
    awaited.set(from, expected)
    try {
      await orAborted(expected.promise, signal)
    } finally {
      if (awaited.get(from) === expected) awaited.delete(from)
    }
  }

  return {
    async during(socket, work) {
      const from = withoutPeerId(socket.remoteAddr)
      arriving.set(from, socket)
      awaited.get(from)?.resolve()
      try {
        return await work()
      } finally {
        if (arriving.get(from) === socket) arriving.delete(from)
      }
    },
    end,
    async ended(from, signal) {
      if (!arriving.has(from)) await arrival(from, signal)
      await end(from)
    },
  }
}
