import type { FastifyRequest } from 'fastify'
import { clientKey } from '../access/client-key.ts'
import type { Rates } from '../access/rates.ts'
import { createForwarding } from './forwarding.ts'

/**
 * Finds where a request comes from, and has it pay one unit of the budget of that address, whatever becomes of it: a probe, a document, a
 * refusal. Probes from this host are free, so that nobody's requests can have the gateway restarted.
 * @throws RateLimited, and InvalidRequest when a trusted proxy names no address
 */
export function countRequests(init: { trustedProxies: string[] }, components: { rates: Pick<Rates, 'take'> }) {
  const originOf = createForwarding(init.trustedProxies)
  const { rates } = components

  return (request: FastifyRequest): void => {
    request.client = originOf(request)
    const { address, isFromHost } = request.client
    const isFree = request.routeOptions.config.operation?.tag === 'Probes' && isFromHost
    if (!isFree) rates.take({ address }, requestCost)
  }
}

/** What every request costs its address; the rest of its price is paid once it is known who asks. */
export const requestCost = 1

/** Whom a request counts for, once it is known who asks. */
export function keyOf({ grant, client }: Pick<FastifyRequest, 'grant' | 'client'>): string {
  return clientKey({ grantId: grant.id, address: client.address })
}
