import type { Connection } from './connection.ts'
import { type Data, type Payload, payloadOf } from './data.ts'
import type { ServerFrame } from './frames.ts'
import { type Registration, register } from './registration.ts'

/** A request of a peer, or of this gateway for one of its clients. */
export interface ServiceRequest extends Payload {
  from: string
  service: string
  /** Time after which nobody waits for the answer (RFC 3339). */
  deadline: string
  /** Aborts when nobody waits any more, also when the connection is lost. */
  signal: AbortSignal
}

export interface ServeOptions {
  /** Requests in progress at once. Default: 1. */
  concurrency?: number
  encoding?: 'base64' | 'json'
  signal?: AbortSignal
}

/** Answers a request. The message of an error that it throws is sent to the requester. */
export type ServiceHandler = (request: ServiceRequest) => Data | Promise<Data>

/** Maximum characters of the error text in a `reply`. */
const maxErrorLength = 1_000

export async function serve(
  connection: Connection,
  service: string,
  handler: ServiceHandler,
  options: ServeOptions,
): Promise<Registration> {
  const { concurrency, encoding, signal } = options
  const open = new Map<string, AbortController>()

  async function answer(frame: Extract<ServerFrame, { type: 'request' }>): Promise<void> {
    const { requestId, from, service, deadline, data, encoding } = frame
    const controller = new AbortController()
    open.set(requestId, controller)
    const reply = await outcome(() => handler({ from, service, deadline, data, encoding, signal: controller.signal }))
    // After a lost connection the request has failed, and the id means nothing on the next one.
    if (open.get(requestId) !== controller) return
    open.delete(requestId)
    try {
      connection.send({ type: 'reply', requestId, ...reply })
    } catch (error) {
      connection.send({ type: 'reply', requestId, error: textOf(error) })
    }
  }

  return await register(connection, {
    start: { type: 'serve', service, concurrency, encoding },
    stop: { type: 'unserve', service },
    signal,
    frame(frame) {
      if (frame.type === 'request' && frame.service === service) void answer(frame)
      if (frame.type !== 'cancelled') return
      open.get(frame.requestId)?.abort()
      open.delete(frame.requestId)
    },
    lost() {
      for (const controller of open.values()) controller.abort()
      open.clear()
    },
  })
}

async function outcome(handle: () => Data | Promise<Data>): Promise<Payload | { error: string }> {
  try {
    return payloadOf(await handle())
  } catch (error) {
    return { error: textOf(error) }
  }
}

function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.slice(0, maxErrorLength) || 'The service failed'
}
