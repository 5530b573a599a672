import type { FastifyReply, FastifyRequest } from 'fastify'
import { createClientShares } from '../access/client-shares.ts'
import { Overloaded } from '../errors.ts'
import { keyOf } from './count-requests.ts'

/** What operations have the gateway do in the network, while their clients wait. */
export type Work = 'lookup' | 'dial'

export interface WorkLimits {
  maxLookups: number
  maxRequestedDials: number
  clientSharePercent: number
}

/** Milliseconds after which a client may try again. */
const retryAfterMs = 1_000

/**
 * Gives an operation that works in the network its place, until it is answered: of lookups in the DHT, or of dials and pings. Clients share them.
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
    if (place === undefined) throw new Overloaded('Too many of these requests are under way, or too many of this client.', { retryAfterMs })
    reply.raw.once('close', () => place[Symbol.dispose]())
  }
}
