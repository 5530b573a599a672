import type { FastifyRequest } from 'fastify'

/** Over TLS the prefix `__Host-` binds the cookie to this host and to TLS. Plain HTTP cannot use it. */
const cookieNames = { https: '__Host-peergate', http: 'peergate' }
const maxCookieLength = 256

/** The secret in the session cookie. Does not check whether the page is allowed to use it. */
export function sessionOf({ headers, client }: FastifyRequest): string | undefined {
  const name = cookieNames[client.protocol]
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='))
  const value = pairs.find(([each]) => each === name)?.[1]
  return value === undefined || value === '' || value.length > maxCookieLength ? undefined : value
}

/** The Set-Cookie value of a session; without a session, one that deletes the cookie. */
export function sessionCookie(request: FastifyRequest, session: { secret: string; maxAgeSeconds: number } | undefined): string {
  const { protocol } = request.client
  const { secret, maxAgeSeconds } = session ?? { secret: '', maxAgeSeconds: 0 }
  const crossSite = isCrossSite(request)
  return [
    `${cookieNames[protocol]}=${secret}`,
    'Path=/',
    'HttpOnly',
    `SameSite=${crossSite ? 'None' : 'Strict'}`,
    // A cross-site cookie must be secure; browsers accept it over plain HTTP only from loopback.
    ...(crossSite || protocol === 'https' ? ['Secure'] : []),
    // Browsers that block third-party cookies accept one that is partitioned by the page's site (CHIPS).
    ...(crossSite ? ['Partitioned'] : []),
    `Max-Age=${maxAgeSeconds}`,
  ].join('; ')
}

/**
 * Whether the page belongs to another site, whose requests carry no Strict cookie. Its Origin was checked before.
 * Browsers send Sec-Fetch-Site only over TLS or to loopback, which are also the cases where a cross-site cookie can be
 * set.
 */
function isCrossSite({ headers, client }: FastifyRequest): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers
  if (site !== undefined) return site === 'cross-site'
  return client.protocol === 'https' && origin !== undefined && origin !== `https://${host?.toLowerCase()}`
}
