import type { FastifyReply, FastifyRequest } from 'fastify'
import { createClientShares } from '../access/client-shares.ts'
import { Overloaded } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { keyOf } from './count-requests.ts'

/** Kinds of network work that clients wait for. */
export type Work = 'lookup' | 'dial'

export type WorkLimits = Pick<Limits, 'maxLookups' | 'maxRequestedDials' | 'clientSharePercent'>

/** Retry hint for clients, in milliseconds. */
const retryAfterMs = 1_000

/**
 * Limits the operations in progress that use the network: DHT lookups, and dials with pings. Clients share each limit.
 * @throws Overloaded
 */
export function createWorkSemaphores(limits: WorkLimits): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  const places = {
    lookup: createClientShares({ max: limits.maxLookups, limits }),
    dial: createClientShares({ max: limits.maxRequestedDials, limits }),
  }

  return async (request, reply) => {
    const work = request.routeOptions.config.operation?.work
    if (work === undefined) return
    const place = places[work].take(keyOf(request))
    if (place === undefined)
      throw new Overloaded('Too many of these requests are in progress, in all or from this client.', { retryAfterMs })
    reply.raw.once('close', () => place[Symbol.dispose]())
  }
}
