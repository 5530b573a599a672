import { isIPv6 } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { HostNotAllowed, InvalidRequest, OriginNotAllowed } from '../errors.ts'

export interface AccessInit {
  /** Further names or addresses in the Host header that are served: with a port, or without one for any port. */
  allowedHosts: string[]
  /** Origins, as browsers write them, of pages that may use the gateway. */
  allowedOrigins: string[]
}

const loopback = ['localhost', '127.0.0.1', '[::1]']
const hostShape = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Keeps web pages out that were not invited: the Host check those that point their own name at this machine (DNS rebinding), the
 * Origin check the others. Both come before anything else, the WebSocket upgrade included. Programs that are no browsers send no
 * Origin and pass.
 */
export function createAccess(init: AccessInit): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined> {
  const hosts = new Set([...loopback, ...init.allowedHosts.map((host) => (isIPv6(host) ? `[${host}]` : host.toLowerCase()))])
  const origins = new Set(init.allowedOrigins)

  function checkHost(host: string | undefined): void {
    if (host === undefined) throw new InvalidRequest('The request has no Host header.')
    const name = hostShape.exec(host)?.[1]
    if (name === undefined || !(hosts.has(name) || hosts.has(host))) {
      throw new HostNotAllowed('This gateway is not served under the name in the Host header; PEERGATE_ALLOWED_HOSTS can add it.')
    }
  }

  function checkOrigin(request: FastifyRequest, host: string | undefined): void {
    const { origin, 'sec-fetch-site': site } = request.headers
    if (origin === undefined) {
      const foreign = site === 'cross-site' || site === 'same-site'
      if (foreign && !safeMethods.has(request.method)) throw new OriginNotAllowed('Another site may not change anything here.')
    } else if (origin !== `${request.client.protocol}://${host}` && !origins.has(origin)) {
      throw new OriginNotAllowed('Pages of this origin may not use this gateway; PEERGATE_ALLOWED_ORIGINS can add it.')
    }
  }

  return async (request, reply) => {
    // Two could be read differently by a proxy and here (RFC 9112 §3.2).
    if (hostsIn(request.raw.rawHeaders) > 1) throw new InvalidRequest('The request has more than one Host header.')
    const host = request.headers.host?.toLowerCase()
    if (request.routeOptions.config.operation?.anyHost !== true) checkHost(host)
    checkOrigin(request, host)
    const { origin } = request.headers
    if (origin === undefined || !origins.has(origin)) return undefined
    reply.headers({
      'access-control-allow-origin': origin,
      // Cookies of sessions are sent along only where the answer allows it.
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers':
        'allow, etag, idempotent-replayed, location, ratelimit, ratelimit-policy, retry-after, www-authenticate',
    })
    const preflight = request.method === 'OPTIONS' && request.headers['access-control-request-method'] !== undefined
    return preflight ? reply.code(204).headers(preflightHeaders).send() : undefined
  }
}

/** Names and values in turn; Node.js keeps only the first Host. */
function hostsIn(rawHeaders: string[]): number {
  return rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
}

const preflightHeaders = {
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'access-control-allow-headers': 'authorization, content-type, idempotency-key, if-none-match, last-event-id',
  'access-control-max-age': '600',
}
