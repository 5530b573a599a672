import { breaks } from '../patch.ts'

/** Requests of clients, before the parts of the gateway see them. */
export const http = [
  ...breaks(
    'src/http/end-with-token.ts',
    ['test/access/revocation.test.ts'],
    [
      ['what was read is told after the token has ended', '    refuseEnded(request, reply)\n', ''],
      ['what was read is told after the token has expired', 'isRead(request, reply) && hasExpired(request, now())', 'false'],
      ['requests that wait outlive their token', 'controller.abort(ofEndedToken())', ''],
    ],
  ),
  ...breaks(
    'src/http/client-signal.ts',
    ['test/access/revocation.test.ts'],
    [['what waits outlives its token', "else ended?.addEventListener('abort', () => gone.abort(ended.reason), { once: true })", '']],
  ),
  ...breaks(
    'src/http/routes/tokens.ts',
    ['test/access/idempotency-keys.test.ts'],
    [['tokens share their keys with publications', "'token')\n      const { token", "'publish')\n      const { token"]],
  ),
  ...breaks(
    'src/http/forwarding.ts',
    ['test/http/forwarding.test.ts', 'test/access/sessions.test.ts'],
    [
      [
        'a proxy of this host that is not known passes for its programs',
        'isLoopbackAddress(nearest) && isHidden ? unknownAddress',
        'isHidden && nearest === unknownAddress ? unknownAddress',
      ],
      [
        'a proxy of this host that names nobody passes for its programs',
        'forwardedFor === undefined && isLoopbackAddress(address) ? unknownAddress',
        "address === '' ? unknownAddress",
      ],
      [
        'whom a proxy of another host calls loopback passes for this one',
        '!isLoopbackAddress(next) || isLoopbackAddress(address)',
        "next !== ''",
      ],
      ['what a client says of itself is believed', 'if (!isTrusted(next)) break', ''],
      [
        'anybody says that TLS is in use',
        "? unknownAddress : nearest, protocol: 'http', isFromHost }",
        "? unknownAddress : nearest, protocol: protocolOf(headers['x-forwarded-proto']), isFromHost }",
      ],
      [
        'nobody says that TLS is in use',
        "protocol: protocolOf(headers['x-forwarded-proto']), isFromHost }",
        "protocol: 'http', isFromHost }",
      ],
      ['a probe through a proxy is one of this host', 'isLoopbackAddress(nearest) && !isHidden', 'isLoopbackAddress(nearest)'],
    ],
  ),
  ...breaks(
    'src/http/session-cookie.ts',
    ['test/access/sessions.test.ts'],
    [
      ['over TLS the cookie may go without it', "crossSite || protocol === 'https' ? ['Secure']", "crossSite ? ['Secure']"],
      ['scripts read the cookie', "'HttpOnly',", ''],
      [
        'cookies of plain HTTP count over TLS',
        'cookieNames[client.protocol]',
        "cookieNames[client.protocol === 'https' ? 'http' : 'http']",
      ],
      ['other sites send the cookie', "crossSite ? 'None' : 'Strict'", "'None'"],
    ],
  ),
  ...breaks(
    'src/http/access.ts',
    ['test/http/access.test.ts', 'test/http/server.test.ts'],
    [
      ['a request may have two hosts', 'hostsIn(request.raw.rawHeaders) > 1', 'hostsIn(request.raw.rawHeaders) > 9'],
      [
        'a request needs no host',
        "if (host === undefined) throw new InvalidRequest('The request has no Host header.')",
        'if (host === undefined) return',
      ],
      ['every host is served', 'if (name === undefined || !(hosts.has(name) || hosts.has(host))) {', 'if (name === undefined) {'],
      ['every origin is allowed', 'origin !== `${request.client.protocol}://${host}` && !origins.has(origin)', "origin === ''"],
      ['a page of another site changes things', "site === 'cross-site' || site === 'same-site'", "site === 'same-site'"],
      [
        'every page reads answers',
        'if (origin === undefined || !origins.has(origin)) return undefined',
        'if (origin === undefined) return undefined',
      ],
    ],
  ),
  ...breaks(
    'src/http/routes/metrics.ts',
    ['test/access/tokens.test.ts'],
    [['metrics need no token', "isPublic ? 'none' : 'any'", "isPublic ? 'none' : 'none'"]],
  ),
  ...breaks(
    'src/http/routes/message-contract.ts',
    ['test/access/hostile-text.test.ts'],
    [['an id may be any text', 'id: nameSchema(256)', 'id: z.string().max(256)']],
  ),
  ...breaks(
    'src/http/operation.ts',
    ['test/http/documents.test.ts'],
    [['a route can forget its topic rights', 'operation.topics === undefined && ', 'operation.topics === null && ']],
  ),
  ...breaks(
    'src/http/topic-rights.ts',
    ['test/access/topic-rights.test.ts', 'test/access/tokens.test.ts'],
    [
      [
        'requests for other topics are allowed',
        "if (typeof topics === 'function') requireTopics",
        'if (topics === undefined) requireTopics',
      ],
      ['a page of all messages needs no topic', "kind === 'direct' ? exactly(directTopic) : everything", 'exactly([])'],
    ],
  ),
  ...breaks(
    'src/http/request-bytes.ts',
    ['test/http/request-bytes.test.ts', 'test/http/bodies.test.ts'],
    [
      ['bodies take no room', 'if (!held.disposed) held.use(requestBytes.take(clientOf(request), length))', ''],
      [
        'a body beyond the limit takes room',
        'if (length === undefined || length > request.routeOptions.bodyLimit) return',
        'if (length === undefined) return',
      ],
      ['a chunked body takes no room', 'held.use(requestBytes.take(client, wanted - room))', ''],
      ['a chunked body takes room for each chunk anew', 'room = wanted\n', ''],
      ['chunks are not charged', 'rates.take(client, costOfBytes(unpaid))', ''],
      ['bytes that were charged are charged again', '(isCounted ? 0 : chunk.length)', 'chunk.length'],
      ['the overhead of chunks is not charged', 'pay(pieceBytes + ', 'pay('],
      ['the last bytes are not charged', 'pay(0, 0)\n', ''],
      ['a chunked body has no limit', 'chunk.length > gathered.missing', 'chunk.length > gathered.missing + 10 * limit'],
      ['a body is held after its answer', "reply.raw.once('close', () => held.dispose())", ''],
    ],
  ),
  ...breaks(
    'src/http/routes/sessions.ts',
    ['test/access/sessions.test.ts', 'test/access/tokens.test.ts'],
    [
      [
        'a request with the cookie of a session alone opens another one',
        'request.grant.session !== undefined && token === undefined',
        'token === null',
      ],
      ['the session before goes on', 'if (before !== undefined) await sessions.close(before)', ''],
      ['a cookie lasts too long', '(opened.expiresAt - now()) / 1_000', 'opened.expiresAt / 1_000'],
      ['a session that was closed is still accepted', 'if (session !== undefined) await sessions.close(session)', ''],
      [
        'the cookie of a closed session is kept',
        'sessionCookie(request, undefined)',
        "sessionCookie(request, { secret: 'x', maxAgeSeconds: 9 })",
      ],
      ['a client does not learn whether it has a session', 'session: grant.session !== undefined', 'session: false'],
      ['a client does not learn when its rights end', 'grant.expiresAt === undefined ? null', 'grant.expiresAt !== null ? null'],
    ],
  ),
]
