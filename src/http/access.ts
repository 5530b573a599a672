import { isIPv6 } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { HostNotAllowed, InvalidRequest, OriginNotAllowed } from '../errors.ts'

export interface AccessInit {
  /** Additional names or addresses accepted in the Host header: with a port, or without one for any port. */
  allowedHosts: string[]
  /** Origins of web pages that can use the gateway, as browsers write them. */
  allowedOrigins: string[]
}

const loopback = ['localhost', '127.0.0.1', '[::1]']
const hostShape = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?$/
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Refuses web pages that are not allowed. The Host check stops DNS rebinding, where a page points its own name at this
 * machine; the Origin check stops all other pages, except where operations are open to every origin. Both run before everything else, including the WebSocket upgrade.
 * Programs other than browsers send no Origin and pass.
 */
export function createAccess(init: AccessInit): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply | undefined> {
  const hosts = new Set([...loopback, ...init.allowedHosts.map((host) => (isIPv6(host) ? `[${host}]` : host.toLowerCase()))])
  const origins = new Set(init.allowedOrigins)

  function checkHost(host: string | undefined): void {
    if (host === undefined) throw new InvalidRequest('The request has no Host header.')
    const name = hostShape.exec(host)?.[1]
    if (name === undefined || !(hosts.has(name) || hosts.has(host))) {
      throw new HostNotAllowed('The name in the Host header is not allowed; add it to PEERGATE_ALLOWED_HOSTS.')
    }
  }

  function checkOrigin(request: FastifyRequest, host: string | undefined): void {
    const { origin, 'sec-fetch-site': site } = request.headers
    if (origin === undefined) {
      const foreign = site === 'cross-site' || site === 'same-site'
      if (foreign && !safeMethods.has(request.method)) throw new OriginNotAllowed('Cross-site requests cannot change anything.')
    } else if (origin !== `${request.client.protocol}://${host}` && !origins.has(origin)) {
      throw new OriginNotAllowed('Pages of this origin are not allowed; add it to PEERGATE_ALLOWED_ORIGINS.')
    }
  }

  return async (request, reply) => {
    // A proxy and this server could read two Host headers differently (RFC 9112 §3.2).
    if (hostsIn(request.raw.rawHeaders) > 1) throw new InvalidRequest('The request has more than one Host header.')
    const host = request.headers.host?.toLowerCase()
    if (request.routeOptions.config.operation?.anyHost !== true) checkHost(host)
    const { origin } = request.headers
    const { operation: asked, anyOrigin = asked?.anyOrigin } = request.routeOptions.config
    if (anyOrigin === true) {
      reply.header('access-control-allow-origin', '*')
      return isPreflight(request) ? reply.code(204).header('access-control-allow-methods', 'GET, HEAD, OPTIONS').send() : undefined
    }
    checkOrigin(request, host)
    if (origin === undefined || !origins.has(origin)) return undefined
    reply.headers({
      'access-control-allow-origin': origin,
      // Browsers send session cookies only if the response allows it.
      'access-control-allow-credentials': 'true',
      'access-control-expose-headers':
        'allow, etag, idempotent-replayed, location, ratelimit, ratelimit-policy, retry-after, ' +
        'stream-cursor, stream-next-offset, stream-up-to-date, www-authenticate',
    })
    return isPreflight(request) ? reply.code(204).headers(preflightHeaders).send() : undefined
  }
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined
}

/** Counts Host in alternating names and values; parsed headers keep only the first. */
function hostsIn(rawHeaders: string[]): number {
  return rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
}

const preflightHeaders = {
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'access-control-allow-headers': 'authorization, content-type, idempotency-key, if-none-match, last-event-id',
  'access-control-max-age': '600',
}
