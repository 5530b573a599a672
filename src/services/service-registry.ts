import { randomUUID } from 'node:crypto'
import { createClientShares } from '../access/client-shares.ts'
import { RequestNotFound, RequestTimeout, ServiceError, ServiceGone, ServiceLimit, ServiceNotFound } from '../errors.ts'
import { createCounter } from '../lib/counter.ts'
import { createDeadline } from '../lib/deadline.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { Limits } from '../limits.ts'
import type { ServiceView } from '../model/service.ts'
import { createServiceQueues } from './service-queue.ts'

/**
 * The services that clients of this gateway provide. Assigns each request to the server with the lowest load, queues it
 * while all are busy, and tells the server when the request was cancelled or timed out.
 */
export interface ServiceRegistry {
  /**
   * Calls the watcher when the set of services changes; `serve` waits for the watchers. Returns a function that ends
   * the watch.
   */
  watch(watcher: () => unknown): () => void
  /**
   * Registers a server for a service. It gets requests once the other gateways know and `begin` was called. A second
   * call changes `concurrency`, the number of requests at a time.
   * @throws ServiceLimit
   */
  serve(server: Server, service: string, concurrency: number, begin: () => void): Promise<void>
  /** Ends the registration. Open requests may still be answered. Returns false when there was none. */
  unserve(server: Server, service: string): boolean
  /** Whether it serves anything. */
  has(server: Server): boolean
  /** Ends all registrations. Resolves once the server has answered its open requests, or is gone. */
  retire(server: Server): Promise<void>
  /** The server is gone: its open requests fail. */
  leave(server: Server): void
  /** @throws RequestNotFound when the server has no such open request */
  reply(server: Server, requestId: string, answer: { data: Uint8Array } | { error: string }): void
  /**
   * Sends a request for an asker, a client or a peer. Askers share the queue fairly.
   * @throws ServiceNotFound, ServiceBusy, ServiceGone, ServiceError, RequestTimeout, the signal's reason
   */
  ask(request: ServiceRequest, options: { signal: AbortSignal; asker: string }): Promise<Uint8Array>
  /** Names of the services, including those about to start. */
  readonly services: string[]
  /** The services that clients provide now, in no order. */
  readonly provided: ProvidedService[]
}

export type ProvidedService = Omit<ServiceView, 'gateway' | 'since'> & Pick<Tally, 'since'>

/** A client connection that provides services. */
export interface Server {
  /** The client that owns it (`clientKey`). */
  readonly client: string
  request(request: ServedRequest): void
  cancelled(requestId: string): void
}

export interface ServiceRequest {
  /** Peer id of the requesting end. */
  from: string
  service: string
  data: Uint8Array
  /** Milliseconds since 1970. */
  deadline: number
}

export interface ServedRequest extends ServiceRequest {
  requestId: string
}

export type ServiceRegistryLimits = Pick<Limits, 'maxServicesPerConnection' | 'maxServices' | 'maxServiceQueue' | 'clientSharePercent'>

interface Offer {
  server: Server
  place: Disposable
  concurrency: number
  open: number
}

/** What became of the requests of a service, since it has a provider. */
interface Tally {
  /** Milliseconds since 1970. */
  since: number
  requests: number
  answers: number
  failures: number
}

interface Open {
  request: ServedRequest
  offer: Offer
  answer: PromiseWithResolvers<Uint8Array>
}

export function createServiceRegistry(init: { limits: ServiceRegistryLimits }, components: { now?: () => number } = {}): ServiceRegistry {
  const { limits } = init
  const { now = Date.now } = components
  const changes = createWatchers()
  /** By service. The offer that got a request last is last. */
  const offers = new Map<string, Offer[]>()
  const queues = createServiceQueues<ServiceRequest, Open>({ limits })
  const tallies = new Map<string, Tally>()
  const served = createClientShares({ max: limits.maxServices, limits })
  const open = new Map<string, Open>()
  /** Services that the other gateways are being told about. */
  const announced = createCounter()
  const gone = new WeakSet<Server>()
  /** Called when the server has no open requests left. */
  const retiring = new Map<Server, () => void>()

  function freest(service: string): Offer | undefined {
    let best: Offer | undefined
    for (const offer of offers.get(service) ?? []) {
      if (offer.open < offer.concurrency && (best === undefined || offer.open / offer.concurrency < best.open / best.concurrency))
        best = offer
    }
    return best
  }

  function assign(request: ServiceRequest, offer: Offer): Open {
    const entry: Open = { request: { ...request, requestId: randomUUID() }, offer, answer: Promise.withResolvers() }
    // The requester may have given up before the promise rejects.
    entry.answer.promise.catch(() => undefined)
    offer.open++
    const tally = tallies.get(request.service)
    if (tally !== undefined) tally.requests++
    const others = offers.get(request.service)
    if (others !== undefined && others.length > 1) others.push(...others.splice(others.indexOf(offer), 1))
    open.set(entry.request.requestId, entry)
    offer.server.request(entry.request)
    return entry
  }

  function finish({ request, offer }: Open): void {
    if (!open.delete(request.requestId)) return
    offer.open--
    if (retiring.size > 0 && !isBusy(offer.server)) retiring.get(offer.server)?.()
    takeNext(request.service)
  }

  function isBusy(server: Server): boolean {
    for (const { offer } of open.values()) if (offer.server === server) return true
    return false
  }

  function takeNext(service: string): void {
    for (let offer = freest(service); offer !== undefined; offer = freest(service)) {
      const next = queues.next(service)
      if (next === undefined) return
      next.assigned.resolve(assign(next.request, offer))
    }
  }

  function remove(server: Server, service: string): boolean {
    const all = offers.get(service) ?? []
    const left = all.filter((offer) => offer.server !== server)
    if (left.length === all.length) return false
    for (const offer of all) if (offer.server === server) offer.place[Symbol.dispose]()
    if (left.length > 0) offers.set(service, left)
    else {
      offers.delete(service)
      tallies.delete(service)
      queues.close(service, new ServiceGone('The last provider of this service disconnected.'))
    }
    return true
  }

  function servedBy(server: Server): string[] {
    return [...offers].filter(([, all]) => all.some((offer) => offer.server === server)).map(([service]) => service)
  }

  return {
    watch: changes.watch,
    async serve(server, service, concurrency, begin) {
      const known = offers.get(service)?.find((offer) => offer.server === server)
      if (known !== undefined) known.concurrency = concurrency
      else {
        if (servedBy(server).length >= limits.maxServicesPerConnection)
          throw new ServiceLimit(`A connection may provide at most ${limits.maxServicesPerConnection} services.`)
        using held = new DisposableStack()
        const place = served.take(server.client)
        if (place === undefined)
          throw new ServiceLimit(`The limit of ${limits.maxServices} services at this gateway, or this client's share of it, is reached.`)
        held.use(place)
        announced.add(service)
        await changes.tellAndWait().finally(() => announced.remove(service))
        if (gone.has(server)) return
        held.move()
        if (!tallies.has(service)) tallies.set(service, { since: now(), requests: 0, answers: 0, failures: 0 })
        offers.set(service, [...(offers.get(service) ?? []), { server, place, concurrency, open: 0 }])
      }
      begin()
      takeNext(service)
    },
    unserve(server, service) {
      const removed = remove(server, service)
      if (removed) changes.tell()
      return removed
    },
    has: (server) => servedBy(server).length > 0,
    async retire(server) {
      const services = servedBy(server)
      for (const service of services) remove(server, service)
      if (services.length > 0) changes.tell()
      if (!isBusy(server)) return
      await new Promise<void>((resolve) => retiring.set(server, resolve))
      retiring.delete(server)
    },
    leave(server) {
      gone.add(server)
      const services = servedBy(server)
      for (const service of services) remove(server, service)
      for (const entry of [...open.values()]) {
        if (entry.offer.server !== server) continue
        entry.answer.reject(new ServiceGone('The service provider disconnected. The request may or may not have been carried out.'))
        finish(entry)
      }
      if (services.length > 0) changes.tell()
    },
    reply(server, requestId, answer) {
      const entry = open.get(requestId)
      if (entry?.offer.server !== server)
        throw new RequestNotFound('No open request with this id: it was answered, cancelled or timed out.')
      const tally = tallies.get(entry.request.service)
      if (tally !== undefined) tally['error' in answer ? 'failures' : 'answers']++
      if ('error' in answer) entry.answer.reject(new ServiceError(answer.error))
      else entry.answer.resolve(answer.data)
      finish(entry)
    },
    async ask(request, { signal, asker }) {
      const { service, deadline } = request
      if (!offers.has(service)) throw new ServiceNotFound('This gateway has no provider of this service.')
      signal.throwIfAborted()
      const offer = freest(service)
      const waiting = offer === undefined ? queues.wait(request, asker) : undefined
      const over = Promise.withResolvers<never>()
      over.promise.catch(() => undefined)
      // Leaves the queue at once: the same signal may end other requests, and a server freed by them must not get this
      // one.
      const end = (reason: unknown) => {
        over.reject(reason)
        if (waiting !== undefined) queues.leave(waiting)
      }
      using limit = createDeadline(Math.max(0, deadline - now()), [signal])
      const late = () => new RequestTimeout('The service did not answer in time. The request may or may not have been carried out.')
      limit.signal.addEventListener('abort', () => end(limit.isOver ? late() : signal.reason))
      let entry = offer === undefined ? undefined : assign(request, offer)
      try {
        entry ??= await Promise.race([waiting?.assigned.promise ?? over.promise, over.promise])
        return await Promise.race([entry.answer.promise, over.promise])
      } finally {
        if (waiting !== undefined) queues.leave(waiting)
        if (entry !== undefined && open.has(entry.request.requestId)) {
          entry.offer.server.cancelled(entry.request.requestId)
          finish(entry)
        }
      }
    },
    get services() {
      return [...new Set([...offers.keys(), ...announced.keys])]
    },
    get provided() {
      return Array.from(tallies, ([service, tally]) => {
        const all = offers.get(service) ?? []
        const sum = (name: 'concurrency' | 'open') => all.reduce((total, offer) => total + offer[name], 0)
        return {
          service,
          providers: all.length,
          concurrency: sum('concurrency'),
          open: sum('open'),
          waiting: queues.size(service),
          ...tally,
        }
      })
    },
  }
}
