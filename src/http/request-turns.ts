import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { networkOf } from '../access/client-key.ts'
import { createLoopTurns, type LoopJob, type LoopTurns } from '../lib/loop-turns.ts'

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
}

/** Of a connection: requests behind the one that is being handled (connections.ts limits them). */
type Pipeline = Exchange[]

/**
 * Passes requests on to a listener, in turns. A packet can contain a thousand small requests, and Node.js emits all of
 * them at once: then one connection would keep the event loop until they are handled.
 *
 * Of one connection, a request is handled when the one before it is answered, as its client expects (RFC 9112 §9.3.2).
 * Addresses (of IPv6, a /64) take turns, and in one turn of the event loop all requests together get a
 * millisecond.
 */
export function inTurns(handle: RequestListener, turns: LoopTurns = requestTurns()): RequestListener {
  const pipelines = new WeakMap<Socket, Pipeline>()
  const queues = new Map<string, { ready: Exchange[]; job: LoopJob }>()

  /** The connection has no unanswered request: its next one waits for the turn of its address. */
  function queue(exchange: Exchange): void {
    const key = networkOf(exchange.request.socket.remoteAddress ?? '')
    const queued = queues.get(key) ?? { ready: [], job: () => begin(key) }
    queues.set(key, queued)
    queued.ready.push(exchange)
    turns.run(queued.job)
  }

  function begin(key: string): boolean {
    const { ready = [] } = queues.get(key) ?? {}
    const next = ready.shift()
    if (ready.length === 0) queues.delete(key)
    if (next !== undefined) pass(next)
    return ready.length > 0
  }

  function pass({ request, response }: Exchange): void {
    const { socket } = request
    if (socket.destroyed) {
      pipelines.delete(socket)
      return
    }
    response.once('close', () => follow(socket))
    handle(request, response)
  }

  function follow(socket: Socket): void {
    const next = pipelines.get(socket)?.shift()
    if (next === undefined) pipelines.delete(socket)
    else queue(next)
  }

  return (request, response) => {
    const { socket } = request
    // The rest of a packet whose client has been disconnected.
    if (socket.destroyed) return
    const pipeline = pipelines.get(socket)
    if (pipeline === undefined) {
      pipelines.set(socket, [])
      queue({ request, response })
    } else pipeline.push({ request, response })
  }
}

function requestTurns(): LoopTurns {
  return createLoopTurns({ turnMs: 1, sliceMs: 0.1 }, { now: () => performance.now(), afterOthers: setImmediate })
}
