import type { FastifyRequest } from 'fastify'

/** Over TLS the prefix binds the cookie to this host and to TLS; plain HTTP can't have it. */
const cookieNames = { https: '__Host-peergate', http: 'peergate' }
const maxCookieLength = 256

/** What the cookie of a session holds, whether or not the page that sends it may use it. */
export function sessionOf({ headers, client }: FastifyRequest): string | undefined {
  const name = cookieNames[client.protocol]
  const pairs = (headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='))
  const value = pairs.find(([each]) => each === name)?.[1]
  return value === undefined || value === '' || value.length > maxCookieLength ? undefined : value
}

/** The cookie of a session; without one, what removes it. */
export function sessionCookie(request: FastifyRequest, session: { secret: string; maxAgeSeconds: number } | undefined): string {
  const { protocol } = request.client
  const { secret, maxAgeSeconds } = session ?? { secret: '', maxAgeSeconds: 0 }
  const crossSite = isCrossSite(request)
  return [
    `${cookieNames[protocol]}=${secret}`,
    'Path=/',
    'HttpOnly',
    `SameSite=${crossSite ? 'None' : 'Strict'}`,
    // A cookie for other sites must be secure; browsers take it over plain HTTP from loopback only.
    ...(crossSite || protocol === 'https' ? ['Secure'] : []),
    // Browsers that keep no cookie of another site keep one that is for this page's site alone (CHIPS).
    ...(crossSite ? ['Partitioned'] : []),
    `Max-Age=${maxAgeSeconds}`,
  ].join('; ')
}

/**
 * Whether the page is of another site, whose requests carry no cookie that is Strict. Its Origin was allowed by then. Browsers tell only a
 * gateway that they reach over TLS or on loopback, which are also those that may set a cookie for other sites.
 */
function isCrossSite({ headers, client }: FastifyRequest): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers
  if (site !== undefined) return site === 'cross-site'
  return client.protocol === 'https' && origin !== undefined && origin !== `https://${host?.toLowerCase()}`
}
