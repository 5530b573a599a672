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
  /** Notes a socket while the work, its handshake, is in progress. One that a dial takes is not worked on. */
  during(socket: MultiaddrConnection, work: () => Promise<void>): Promise<void>
  /** Ends the socket from an address whose handshake is in progress, if there is one. Resolves when its ports are free. */
  end(from: string): Promise<void>
  /** Has sockets that come from the address from now on belong to a dial, until it is disposed of. */
  take(from: string): TakenSockets
}

export interface TakenSockets extends Disposable {
  /** Uses the newest socket, or the next one to come, in place of one that was dialled. @throws the signal's reason, and what the use throws */
  use<Result>(signal: AbortSignal, use: (socket: MultiaddrConnection) => Promise<Result>): Promise<Result>
}

/** A socket that a dial may use, and what has become of it. */
interface Offer {
  socket: MultiaddrConnection
  used: PromiseWithResolvers<void>
}

export function createArrivingSockets(): ArrivingSockets {
  const arriving = new Map<string, MultiaddrConnection>()
  const dials = new Map<string, { offer(offered: Offer): void }>()

  function take(from: string): TakenSockets {
    let newest: Offer | undefined
    let came = Promise.withResolvers<void>()

    function drop(): void {
      newest?.used.reject(new Error('the dial has no use for the socket'))
      newest = undefined
    }

    const dial = {
      offer(offered: Offer) {
        drop()
        newest = offered
        came.resolve()
        came = Promise.withResolvers()
      },
    }
    dials.set(from, dial)
    return {
      async use(signal, use) {
        if (newest === undefined) await orAborted(came.promise, signal)
        const offered = newest
        newest = undefined
        if (offered === undefined) throw new Error('the socket was replaced')
        try {
          const result = await use(offered.socket)
          offered.used.resolve()
          return result
        } catch (error) {
          offered.used.reject(error)
          throw error
        }
      },
      [Symbol.dispose]() {
        drop()
        if (dials.get(from) === dial) dials.delete(from)
      },
    }
  }

  return {
    async during(socket, work) {
      const from = withoutPeerId(socket.remoteAddr)
      const dial = dials.get(from)
      if (dial !== undefined) {
        const used = Promise.withResolvers<void>()
        dial.offer({ socket, used })
        return await used.promise
      }
      arriving.set(from, socket)
      try {
        await work()
      } finally {
        if (arriving.get(from) === socket) arriving.delete(from)
      }
    },
    async end(from) {
      const socket = arriving.get(from)
      if (socket === undefined) return
      // The connection is closed before the system has closed its socket.
      const inner: unknown = Reflect.get(socket, 'socket')
      const closed = inner instanceof Socket && !inner.closed ? once(inner, 'close') : Promise.resolve()
      socket.abort(new Error('this end dials the peer'))
      await closed.catch(() => undefined)
    },
    take,
  }
}
