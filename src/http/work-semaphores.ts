import type { FastifyInstance, FastifyRequest } from 'fastify'
import { createClientShares } from '../access/client-shares.ts'
import { Overloaded } from '../errors.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import type { Limits } from '../limits.ts'
import { clientSignal } from './client-signal.ts'
import { keyOf } from './count-requests.ts'

/** Kinds of work of which clients have a bounded number in progress: in the network, and lists from the database. */
export type Work = 'lookup' | 'dial' | 'list'

export type WorkLimits = Pick<Limits, 'maxLookups' | 'maxRequestedDials' | 'clientSharePercent'>

/** Retry hint for clients, in milliseconds. */
const retryAfterMs = 1_000

/**
 * Maximum lists that are read and serialised at a time, and maximum requests queued for that. A list may have megabytes,
 * which take memory several times until the bytes of the response are counted.
 */
const maxLists = 3
const maxWaitingLists = 1_000

/**
 * Limits the operations in progress that use the network, DHT lookups and dials with pings, and the lists in progress,
 * which wait for their turn. Clients share each limit.
 * @throws Overloaded
 */
export function limitWork(app: FastifyInstance, limits: WorkLimits): void {
  const places = {
    lookup: createClientShares({ max: limits.maxLookups, limits }),
    dial: createClientShares({ max: limits.maxRequestedDials, limits }),
  }

  const lists = createSemaphore({ max: maxLists, maxWaiting: maxWaitingLists, shares: (max) => createClientShares({ max, limits }) })
  /** Places of lists that are not serialised yet. */
  const listing = new WeakMap<FastifyRequest, Disposable>()

  app.addHook('preHandler', async (request, reply) => {
    const work = request.routeOptions.config.operation?.work
    if (work === undefined) return
    const place = work === 'list' ? await lists.take(clientSignal(reply), keyOf(request)) : places[work].take(keyOf(request))
    if (place === undefined)
      throw new Overloaded('Too many of these requests are in progress, in all or from this client.', { retryAfterMs })
    if (work === 'list') listing.set(request, place)
    if (reply.raw.destroyed) place[Symbol.dispose]()
    else reply.raw.once('close', () => place[Symbol.dispose]())
  })
  // Its bytes are counted now; a client that reads it slowly holds up no list.
  app.addHook('onSend', async (request, _reply, payload) => {
    listing.get(request)?.[Symbol.dispose]()
    return payload
  })
}
