import type { Logger } from 'pino'
import { createClientShares } from '../access/client-shares.ts'
import type { Members } from '../cluster/members.ts'
import { askPeer } from '../engine/ask-peer.ts'
import type { P2PEngine } from '../engine/engine.ts'
import {
  InvalidRequest,
  MessageTooLarge,
  PeergateError,
  PeerUnreachable,
  ProtocolUnsupported,
  RequestTimeout,
  ServiceBusy,
  ServiceError,
  ServiceGone,
  ServiceNotFound,
} from '../errors.ts'
import { createDeadline } from '../lib/deadline.ts'
import { createSemaphore, type Semaphore } from '../lib/semaphore.ts'
import type { Peers } from '../peers/peers.ts'
import type { GatewayRecord } from '../store/gateway-store.ts'
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  requestOverheadBytes,
  requestProtocol,
  type WireAnswer,
  type WireRequest,
} from './request-protocol.ts'
import type { ServiceRegistry } from './service-registry.ts'

/** Requests to services: of this gateway's clients to any peer, and of peers to what clients of this gateway's database serve. */
export interface Services {
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Asks a service of a peer, and never a second time.
   * @throws InvalidRequest, MessageTooLarge, PeerNotFound, PeerBlocked, DialFailed
   * @throws ServiceNotFound, ServiceBusy, ServiceGone, ServiceError, RequestTimeout
   */
  request(request: OutgoingRequest, options: { signal: AbortSignal }): Promise<Uint8Array>
}

export interface OutgoingRequest {
  /** Who asks (`clientKey`). */
  client: string
  to: string
  service: string
  data: Uint8Array
  timeoutMs?: number | undefined
}

export interface ServicesLimits {
  maxMessageBytes: number
  requestMs: number
  requestTimeoutMs: number
  maxPeerRequests: number
  maxPeerRequestBytes: number
  maxRequestsToPeer: number
  maxServiceQueue: number
  maxRequests: number
  clientSharePercent: number
}

export interface ServicesComponents {
  engine: Pick<P2PEngine, 'peerId' | 'request' | 'handle' | 'unhandle'>
  peers: Pick<Peers, 'dialPeer'>
  registry: Pick<ServiceRegistry, 'ask' | 'services'>
  /** The other gateways of this database, and what their clients serve. */
  gateways: Pick<Members, 'others' | 'link'>
  logger: Logger
  now?: () => number
}

/** Milliseconds for which what is known of the other gateways will do, as long as it has an answer. */
const freshMs = 1_000
/** And otherwise: so many times a second peers can have the database asked by asking for what nobody serves. */
const anewMs = 100
const retryAfterMs = 1_000

export function createServices(init: { limits: ServicesLimits }, components: ServicesComponents): Services {
  const { limits } = init
  const { engine, peers, registry, gateways, logger, now = Date.now } = components
  const maxBytes = limits.maxMessageBytes + requestOverheadBytes
  /** Requests of clients here, by the peer that is asked; of those with any. */
  const placesAt = new Map<string, Semaphore>()
  const requests = createClientShares({ max: limits.maxRequests, limits })

  const shares = (max: number) => createClientShares({ max, limits })

  /** The other gateways of the database that fit. */
  async function others(fits: (gateway: GatewayRecord) => boolean): Promise<GatewayRecord[]> {
    const known = (await gateways.others(freshMs)).filter(fits)
    return known.length > 0 ? known : (await gateways.others(anewMs)).filter(fits)
  }

  async function ask(peerId: string, request: WireRequest, link: () => Promise<unknown>, signal: AbortSignal): Promise<Uint8Array> {
    const asked = { peerId, protocol: requestProtocol, body: encodeRequest(request), link }
    return outcomeOf(decodeAnswer(await askPeer(engine, asked, { signal, maxAnswerBytes: maxBytes })))
  }

  /** At a client of this gateway, or of another one of the database. */
  async function askHere(request: WireRequest & Asked): Promise<Uint8Array> {
    const { service, data, from, timeoutMs, asker, signal, isForwarded } = request
    if (isForwarded || registry.services.includes(service))
      return await registry.ask({ service, data, from, deadline: now() + timeoutMs }, { signal, asker })
    const serving = await others(({ about }) => about.services?.includes(service) === true)
    const other = serving[Math.floor(Math.random() * serving.length)]
    if (other === undefined) throw new ServiceNotFound('Nobody serves this here.')
    return await ask(other.peerId, { service, data, from, timeoutMs }, () => gateways.link(other.peerId, other.about.multiaddrs), signal)
  }

  async function answer(from: string, body: Uint8Array, signal: AbortSignal): Promise<WireAnswer> {
    const request = decodeRequest(body)
    const isForwarded = request.from !== undefined
    // Only a gateway of this database may speak for somebody else.
    if (isForwarded && (await others(({ peerId }) => peerId === from)).length === 0)
      return { status: 'not_found', message: 'You are no gateway of this database.' }
    const timeoutMs = Math.min(request.timeoutMs, limits.requestTimeoutMs)
    const asker = request.from ?? from
    try {
      return { status: 'ok', data: await askHere({ ...request, timeoutMs, from: asker, asker: `peer ${asker}`, signal, isForwarded }) }
    } catch (error) {
      return failureOf(error)
    }
  }

  function failureOf(error: unknown): WireAnswer {
    for (const [status, kind] of failures) if (error instanceof kind) return { status, message: error.message }
    if (!(error instanceof PeergateError)) logger.debug({ err: error }, 'a request of a peer failed')
    return { status: 'gone', message: 'The gateway of the service could not be reached.' }
  }

  function check({ data, timeoutMs = limits.requestMs }: OutgoingRequest): number {
    if (data.length > limits.maxMessageBytes)
      throw new MessageTooLarge(`A request has at most ${limits.maxMessageBytes} bytes of data; this one has ${data.length}.`)
    if (timeoutMs <= limits.requestTimeoutMs) return timeoutMs
    const message = `must be from 1 to ${limits.requestTimeoutMs} milliseconds`
    throw new InvalidRequest(`timeoutMs ${message}.`, { errors: [{ path: 'timeoutMs', message }] })
  }

  /** In turn, where more are asked of one peer than a link carries. */
  async function askThere(to: string, request: WireRequest, asker: string, signal: AbortSignal): Promise<Uint8Array> {
    const begun = now()
    const places = placesAt.get(to) ?? createSemaphore({ max: limits.maxRequestsToPeer, maxWaiting: limits.maxServiceQueue, shares })
    placesAt.set(to, places)
    try {
      using place = await places.take(signal, asker)
      if (place === undefined)
        throw new ServiceBusy('Too many requests to this peer, or too many of this client, wait for their turn.', { retryAfterMs })
      const timeoutMs = Math.max(1, request.timeoutMs - (now() - begun))
      return await ask(to, { ...request, timeoutMs }, () => peers.dialPeer(to, { signal }), signal)
    } finally {
      if (places.size === 0) placesAt.delete(to)
    }
  }

  return {
    async start() {
      await engine.handle(requestProtocol, async ({ from, body, signal }) => encodeAnswer(await answer(from, body, signal)), {
        maxRequestBytes: maxBytes,
        maxConcurrent: limits.maxPeerRequests,
        maxConcurrentBytes: limits.maxPeerRequestBytes,
      })
    },
    async stop() {
      await engine.unhandle(requestProtocol)
    },
    async request(outgoing, { signal }) {
      const timeoutMs = check(outgoing)
      const { client, to, service, data } = outgoing
      using place = requests.take(client)
      if (place === undefined) throw new ServiceBusy('Too many requests, or too many of this client, are under way.', { retryAfterMs })
      using deadline = createDeadline(timeoutMs, [signal])
      const both = deadline.signal
      try {
        if (to === engine.peerId)
          return await askHere({ service, data, timeoutMs, from: to, asker: client, signal: both, isForwarded: false })
        return await askThere(to, { service, data, timeoutMs }, client, both)
      } catch (error) {
        if (deadline.isOver) throw new RequestTimeout('No answer came in time; whether the request was done is not known.')
        if (error instanceof PeerUnreachable)
          throw new ServiceGone('The peer did not answer; whether the request was done is not known.', { cause: error })
        if (error instanceof ProtocolUnsupported) throw new ServiceNotFound('The peer serves nothing.', { cause: error })
        throw error
      }
    },
  }
}

/** Who asks a service here, and how. */
interface Asked {
  from: string
  /** Whom it counts for in the queue: a client (`clientKey`) or a peer. */
  asker: string
  signal: AbortSignal
  /** By another gateway of the database. */
  isForwarded: boolean
}

const failures = [
  ['error', ServiceError],
  ['not_found', ServiceNotFound],
  ['gone', ServiceGone],
  ['busy', ServiceBusy],
  ['late', RequestTimeout],
] as const

/** @throws what the answer says */
function outcomeOf(answer: WireAnswer): Uint8Array {
  if (answer.status === 'ok') return answer.data
  const Failure = failures.find(([status]) => status === answer.status)?.[1] ?? PeerUnreachable
  throw new Failure(answer.message, answer.status === 'busy' ? { retryAfterMs } : {})
}
