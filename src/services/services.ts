import type { Logger } from 'pino'
import { createClientShares } from '../access/client-shares.ts'
import type { Members } from '../cluster/members.ts'
import { askPeer } from '../engine/ask-peer.ts'
import type { P2PEngine, RequestHandler } from '../engine/engine.ts'
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
import { type Page, pageOf } from '../lib/page.ts'
import { createSemaphores } from '../lib/semaphores.ts'
import type { Limits } from '../limits.ts'
import type { ServiceView } from '../model/service.ts'
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
import type { ProvidedService, ServiceRegistry } from './service-registry.ts'

/**
 * Requests to services: from clients of this gateway to any peer, and from peers to services of this database's
 * clients. Does not own the choice of a server, which is the registry's.
 */
export interface Services {
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Sends a request to a service of a peer, at most once.
   * @throws InvalidRequest, MessageTooLarge, PeerNotFound, PeerBlocked, DialFailed
   * @throws ServiceNotFound, ServiceBusy, ServiceGone, ServiceError, RequestTimeout
   */
  request(request: OutgoingRequest, options: { signal: AbortSignal }): Promise<Uint8Array>
  /** A page of the services that clients of this gateway provide, by name, exclusive of `after`. */
  list(query: { after?: string | undefined; limit: number }): Page<ServiceView>
}

export interface OutgoingRequest {
  /** The client (`clientKey`). */
  client: string
  to: string
  service: string
  data: Uint8Array
  timeoutMs?: number | undefined
}

export type ServicesLimits = Pick<
  Limits,
  | 'maxMessageBytes'
  | 'requestMs'
  | 'requestTimeoutMs'
  | 'maxPeerRequests'
  | 'maxPeerRequestBytes'
  | 'maxRequestsToPeer'
  | 'maxServiceQueue'
  | 'maxRequests'
  | 'clientSharePercent'
>

export interface ServicesComponents {
  engine: Pick<P2PEngine, 'peerId' | 'request' | 'handle' | 'unhandle'>
  peers: Pick<Peers, 'dialPeer'>
  registry: Pick<ServiceRegistry, 'ask' | 'services' | 'provided'>
  /** The other gateways of this database, and the services of their clients. */
  gateways: Pick<Members, 'others' | 'link'>
  logger: Logger
  now?: () => number
}

/** Age in milliseconds up to which the list of other gateways is used, if it names a provider. */
const freshMs = 1_000
/**
 * The same if it does not. It bounds how often requests for unknown services can make the gateway read the database.
 */
const anewMs = 100
const retryAfterMs = 1_000

export function createServices(init: { limits: ServicesLimits }, components: ServicesComponents): Services {
  const { limits } = init
  const { engine, peers, registry, gateways, logger, now = Date.now } = components
  const maxBytes = limits.maxMessageBytes + requestOverheadBytes
  const shares = (max: number) => createClientShares({ max, limits })
  /** Places for requests of this gateway's clients, by the peer that they go to. */
  const places = createSemaphores({ max: limits.maxRequestsToPeer, maxWaiting: limits.maxServiceQueue, shares })
  const requests = createClientShares({ max: limits.maxRequests, limits })

  /** The other gateways of the database that match. */
  async function others(fits: (gateway: GatewayRecord) => boolean): Promise<GatewayRecord[]> {
    const known = (await gateways.others(freshMs)).filter(fits)
    return known.length > 0 ? known : (await gateways.others(anewMs)).filter(fits)
  }

  async function ask(peerId: string, request: WireRequest, link: () => Promise<unknown>, signal: AbortSignal): Promise<Uint8Array> {
    const asked = { peerId, protocol: requestProtocol, body: encodeRequest(request), link }
    return outcomeOf(decodeAnswer(await askPeer(engine, asked, { signal, maxAnswerBytes: maxBytes, bridged: true })))
  }

  /** Sends a request to a client of this gateway, or of another gateway of the database. */
  async function askHere(request: WireRequest & Asked): Promise<Uint8Array> {
    const { service, data, from, timeoutMs, asker, signal, isForwarded } = request
    if (isForwarded || registry.services.includes(service))
      return await registry.ask({ service, data, from, deadline: now() + timeoutMs }, { signal, asker })
    const serving = await others(({ about }) => about.services?.includes(service) === true)
    const other = serving[Math.floor(Math.random() * serving.length)]
    if (other === undefined) throw new ServiceNotFound('This gateway has no provider of this service.')
    return await ask(other.peerId, { service, data, from, timeoutMs }, () => gateways.link(other.peerId, other.about.multiaddrs), signal)
  }

  async function answer({ from, via, body, signal }: Parameters<RequestHandler>[0]): Promise<WireAnswer> {
    const request = decodeRequest(body)
    const isForwarded = request.from !== undefined
    // Only a gateway of this database may send requests on behalf of another peer.
    if (isForwarded && (await others(({ peerId }) => peerId === from)).length === 0)
      return { status: 'not_found', message: 'Only gateways of the same database may set "from".' }
    const timeoutMs = Math.min(request.timeoutMs, limits.requestTimeoutMs)
    const author = request.from ?? from
    // Peer ids are free, so those behind one bridge are one asker.
    const asker = `peer ${via ?? author}`
    try {
      return { status: 'ok', data: await askHere({ ...request, timeoutMs, from: author, asker, signal, isForwarded }) }
    } catch (error) {
      return failureOf(error)
    }
  }

  function failureOf(error: unknown): WireAnswer {
    for (const [status, kind] of failures) if (error instanceof kind) return { status, message: error.message }
    if (!(error instanceof PeergateError)) logger.debug({ err: error }, 'a request of a peer failed')
    return { status: 'gone', message: 'The gateway that provides the service could not be reached.' }
  }

  function check({ data, timeoutMs = limits.requestMs }: OutgoingRequest): number {
    if (data.length > limits.maxMessageBytes)
      throw new MessageTooLarge(`A request may have at most ${limits.maxMessageBytes} bytes of data. This one has ${data.length}.`)
    if (timeoutMs <= limits.requestTimeoutMs) return timeoutMs
    const message = `must be from 1 to ${limits.requestTimeoutMs} milliseconds`
    throw new InvalidRequest(`timeoutMs ${message}.`, { errors: [{ path: '/timeoutMs', message }] })
  }

  /** Sends a request to another peer. Requests beyond `maxRequestsToPeer` wait in a bounded queue. */
  async function askThere(to: string, request: WireRequest, asker: string, signal: AbortSignal): Promise<Uint8Array> {
    const begun = now()
    using place = await places.take(to, signal, asker)
    if (place === undefined)
      throw new ServiceBusy('Too many requests to this peer are queued, in total or for this client.', { retryAfterMs })
    const timeoutMs = Math.max(1, request.timeoutMs - (now() - begun))
    return await ask(to, { ...request, timeoutMs }, () => peers.dialPeer(to, { signal }), signal)
  }

  return {
    async start() {
      await engine.handle(requestProtocol, async (request) => encodeAnswer(await answer(request)), {
        maxRequestBytes: maxBytes,
        maxConcurrent: limits.maxPeerRequests,
        maxConcurrentBytes: limits.maxPeerRequestBytes,
        bridged: true,
      })
    },
    async stop() {
      await engine.unhandle(requestProtocol)
    },
    list({ after = '', limit }) {
      // Names are ASCII, whose order is that of the units of a string.
      const later = registry.provided
        .filter(({ service }) => service > after)
        .toSorted((one, other) => (one.service < other.service ? -1 : 1))
      const page = pageOf(later, limit, ({ service }) => service)
      const view = (each: ProvidedService) => ({ ...each, since: new Date(each.since).toISOString(), gateway: engine.peerId })
      return { ...page, items: page.items.map(view) }
    },
    async request(outgoing, { signal }) {
      const timeoutMs = check(outgoing)
      const { client, to, service, data } = outgoing
      using place = requests.take(client)
      if (place === undefined) throw new ServiceBusy('Too many requests are open, in total or for this client.', { retryAfterMs })
      using deadline = createDeadline(timeoutMs, [signal])
      const both = deadline.signal
      try {
        if (to === engine.peerId)
          return await askHere({ service, data, timeoutMs, from: to, asker: client, signal: both, isForwarded: false })
        return await askThere(to, { service, data, timeoutMs }, client, both)
      } catch (error) {
        if (deadline.isOver) throw new RequestTimeout('No answer arrived in time. The request may or may not have been carried out.')
        if (error instanceof PeerUnreachable)
          throw new ServiceGone('The peer did not answer. The request may or may not have been carried out.', { cause: error })
        if (error instanceof ProtocolUnsupported) throw new ServiceNotFound('The peer provides no services.', { cause: error })
        throw error
      }
    },
  }
}

/** The origin of a request to a service of this database. */
interface Asked {
  from: string
  /** The asker that the request counts for in the queue: a client (`clientKey`) or a peer. */
  asker: string
  signal: AbortSignal
  /** Whether another gateway of the database forwarded it. */
  isForwarded: boolean
}

const failures = [
  ['error', ServiceError],
  ['not_found', ServiceNotFound],
  ['gone', ServiceGone],
  ['busy', ServiceBusy],
  ['late', RequestTimeout],
] as const

/** @throws the error that the answer stands for */
function outcomeOf(answer: WireAnswer): Uint8Array {
  if (answer.status === 'ok') return answer.data
  const Failure = failures.find(([status]) => status === answer.status)?.[1] ?? PeerUnreachable
  throw new Failure(answer.message, answer.status === 'busy' ? { retryAfterMs } : {})
}
