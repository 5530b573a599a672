import type { FastifyReply, FastifyRequest } from 'fastify'
import { anyoneId, clientKey } from '../access/client-key.ts'
import type { Rates } from '../access/rates.ts'
import { plainAddress } from '../lib/ip-network.ts'
import type { Limits } from '../limits.ts'
import type { Grant } from '../model/grant.ts'
import { createForwarding, trustOf } from './forwarding.ts'
import { clientOf } from './request-bytes.ts'
import { limitRestOfBody } from './rest-of-body.ts'

export interface ForwardingWatch {
  /** A request with X-Forwarded-For came from this address, which is no trusted proxy. */
  sawForwarding(address: string): void
}

/**
 * Determines the origin of a request, and charges one unit to the budget of its address, even for probes, documents and
 * refusals, and more for a body that nobody reads. Probes from this host are free, so that no client can cause a restart of the gateway by exhausting the
 * budget.
 * @throws RateLimited, and InvalidRequest when a trusted proxy does not send an address
 */
export function countRequests(
  init: { trustedProxies: string[]; limits: Pick<Limits, 'maxBodyBytes'> },
  components: { rates: Pick<Rates, 'take'>; diagnosis: ForwardingWatch },
) {
  const originOf = createForwarding(init.trustedProxies)
  const isTrusted = trustOf(init.trustedProxies)
  const { rates, diagnosis } = components

  return (request: FastifyRequest, reply: FastifyReply): void => {
    const nearest = plainAddress(request.socket.remoteAddress ?? '')
    const unread = { request: request.raw, response: reply.raw, maxBytes: init.limits.maxBodyBytes }
    limitRestOfBody(unread, (units) => void rates.take({ address: clientOf(request).address }, units))
    if (request.headers['x-forwarded-for'] !== undefined && !isTrusted(nearest)) diagnosis.sawForwarding(nearest)
    request.client = originOf(request)
    const { address, isFromHost } = request.client
    const isFree = request.routeOptions.config.operation?.tag === 'Probes' && isFromHost
    if (!isFree) rates.take({ address }, requestCost)
  }
}

/** Cost of every request for its address. The rest of its price is charged once the client is known. */
export const requestCost = 1

/** The key of the client that a request counts for, once it is authenticated. */
export function keyOf({ grant, client }: { grant: Grant | undefined; client: FastifyRequest['client'] }): string {
  return clientKey({ grantId: grant?.id ?? anyoneId, address: client.address })
}
