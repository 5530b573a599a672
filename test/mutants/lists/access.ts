import { breaks } from '../patch.ts'

export const access = [
  ...breaks(
    'src/access/access.ts',
    ['test/access/tokens.test.ts', 'test/access/jwt.test.ts'],
    [
      [
        'a gateway that others reach starts without tokens',
        'if ((await needsToken()) || init.insecure || isLoopback(init.host)) return',
        'if (init.host !== undefined) return',
      ],
      ['no token is needed', 'if (!(await needsToken())) return anyone', 'return anyone'],
      [
        'a token that is not known is anybody',
        "if (grant !== undefined) return grant\n      throw new InvalidToken('The token",
        "if (grant !== undefined) return grant\n      if (grant === undefined) return anyone\n      throw new InvalidToken('The token",
      ],
      ['a gateway opens again with its last token', 'if (!isClosed && ', 'if ('],
    ],
  ),
  ...breaks(
    'src/access/tokens.ts',
    ['test/access/token-cache.test.ts', 'test/access/tokens.test.ts'],
    [
      [
        'a token that expired is known',
        'return grant.expiresAt !== undefined && grant.expiresAt <= now() ? undefined : grant',
        'return grant',
      ],
      ['a revoked token stays in the cache', 'generation++\n    cache.clear()', 'generation++'],
      [
        'a token that was revoked elsewhere stays in the cache',
        "if (kind !== 'tokens' && kind !== 'everything') return\n        forgetGrants()",
        "if (kind !== 'tokens' && kind !== 'everything') return",
      ],
      [
        'streams of a revoked token stay',
        'forgetGrants()\n        void changes.tell()\n      }\n    },\n    operatorGrant',
        'forgetGrants()\n      }\n    },\n    operatorGrant',
      ],
      ['the secret is stored', 'hash: hashOf(secret)', 'hash: Buffer.from(secret)'],
      ['any secret is the operator’s', 'timingSafeEqual(operator, hashOf(secret))', 'operator.length === hashOf(secret).length'],
      ['a token that is revoked while it is looked up is remembered', 'if (before !== generation) continue', ''],
      ['a token that has expired is made', 'if (expires !== undefined && expires <= now()) {', 'if (expires === 0) {'],
    ],
  ),
  ...breaks(
    'src/access/tokens.ts',
    ['test/access/revocation.test.ts', 'test/access/tokens.test.ts'],
    [
      [
        'the last token that administers is revoked',
        '!isNeeded(tokens) || tokens.some(isOther)',
        'tokens.length > 0 || tokens.some(isOther) || isNeeded(tokens)',
      ],
      [
        'a token that administers for a while stands for the last',
        "actions.includes('admin') && expiresAt === undefined",
        "actions.includes('admin') && expiresAt !== 0",
      ],
      [
        'the first token may be any',
        '!needsAdminToken || isLastingAdmin(record) || tokens.length > 0',
        '!needsAdminToken || isLastingAdmin(record) || tokens.length >= 0',
      ],
      [
        'a removal that is not confirmed leaves the token in the cache',
        'void ends.tell(id)\n      } finally {',
        'void ends.tell(id)\n      } catch (error) {\n        throw error\n      }\n      {',
      ],
    ],
  ),
  ...breaks(
    'src/store/postgres/token-changes.ts',
    ['test/store/postgres-tokens.test.ts', 'test/store/postgres-store.test.ts'],
    [
      [
        'gateways change tokens side by side',
        "await query(`SELECT pg_advisory_xact_lock(x'5065746b'::int, hashtext(current_schema()))`)",
        '',
      ],
      ['a key creates two tokens (PostgreSQL)', 'key !== undefined && (await isKeyTaken(', 'key === undefined && (await isKeyTaken('],
      ['other gateways are not told of a revoked token', "await tell(query)\n        return 'removed'", "return 'removed'"],
      ['other gateways are not told of a session that has ended', 'if (removed.length > 0) await tell(query)', ''],
      ['sessions outlive their token', `await query('DELETE FROM "Session" WHERE "holder" = $1', [id])`, ''],
    ],
  ),
  ...breaks(
    'src/store/sqlite/token-changes.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a token is added against the check', "if (!check(all())) return 'refused'", ''],
      ['a key creates two tokens (SQLite)', 'key !== undefined && isKeyTaken(', 'key === undefined && isKeyTaken('],
      ['a key is not noted with its token', 'if (key !== undefined) insertKey(', 'if (key === undefined) insertKey('],
      ['a token is removed against the check', "if (!check(tokens)) return 'refused'", ''],
    ],
  ),
  ...breaks(
    'src/http/end-with-token.ts',
    ['test/access/revocation.test.ts'],
    [
      [
        'what was read is told after the token has ended',
        'request.ended?.aborted === true || hasExpired(request, now())',
        'hasExpired(request, now())',
      ],
      [
        'what was read is told after the token has expired',
        'request.ended?.aborted === true || hasExpired(request, now())',
        'request.ended?.aborted === true',
      ],
      ['requests that wait outlive their token', 'controller.abort(ofEndedToken())', ''],
    ],
  ),
  ...breaks(
    'src/access/endings.ts',
    ['test/access/revocation.test.ts'],
    [
      ['a session that ends while it is looked up is good', 'if (has(grant)) throw ofEndedToken()', ''],
      ['ends are remembered for ever', 'ended.delete(old)', ''],
      ['ends are forgotten at once', 'const rememberMs = 60_000', 'const rememberMs = 0'],
      ['nobody is told of an end', 'for (const onEnd of [...(kind.get(id) ?? [])]) onEnd()', 'kind.get(id)'],
      ['what is over is watched for ever', 'if (listeners.size === 0 && kind.get(id) === listeners) kind.delete(id)', ''],
    ],
  ),
  ...breaks(
    'src/http/client-signal.ts',
    ['test/access/revocation.test.ts'],
    [['what waits outlives its token', "else ended?.addEventListener('abort', () => gone.abort(ended.reason), { once: true })", '']],
  ),
  ...breaks(
    'src/stream/connection.ts',
    ['test/access/revocation.test.ts'],
    [
      ['frames are taken after the goodbye', '} else if (!this.#sink.isOpen) {', '} else if (this.#isGone) {'],
      ['what a revoked client has asked already is done', 'this.#isRevoked = true', 'this.#isRevoked = false'],
      [
        'what a revoked client has not taken stays for it',
        'if (this.#sink.bufferedBytes > goodbyeBytes) this.#components.socket.terminate()',
        '',
      ],
    ],
  ),
  ...breaks(
    'src/stream/stream.ts',
    ['test/access/revocation.test.ts'],
    [['events begin after their token has ended', 'if (components.endings.has(query.grant)) throw ofEndedToken()', '']],
  ),
  ...breaks(
    'src/stream/event-stream.ts',
    ['test/access/revocation.test.ts'],
    [
      [
        'events outlive their token',
        'createExpiry(query.grant.expiresAt, now, () => void response.destroy())',
        'createExpiry(undefined, now, () => void response.destroy())',
      ],
    ],
  ),
  ...breaks(
    'src/stream/event-stream.ts',
    ['test/stream/events.test.ts'],
    [
      [
        'a position that is none ends an event stream for good',
        '!isForeign(error) && !(error instanceof InvalidCursor && query.lastEventId !== undefined)',
        '!isForeign(error)',
      ],
      [
        'a position that is none is taken wherever it stands',
        '(error instanceof InvalidCursor && query.lastEventId !== undefined)',
        '(error instanceof InvalidCursor)',
      ],
      [
        '`after` goes before what EventSource sends',
        "query.lastEventId ?? query.after ?? 'latest'",
        "query.after ?? query.lastEventId ?? 'latest'",
      ],
      [
        'an expired position is read from the oldest',
        'if (error instanceof CursorExpired) {',
        'if (error instanceof CursorExpired && query.lastEventId === position.toUpperCase()) {',
      ],
      ['a gap begins past its end', 'error instanceof CursorEpochMismatch ? position :', 'isForeign(error) ? position :'],
      ['a client that takes no events is kept', 'onTooSlow: () => void response.destroy()', 'onTooSlow: () => undefined'],
    ],
  ),
  ...breaks(
    'src/stream/outlet.ts',
    ['test/stream/outlet.test.ts', 'test/stream/stream.test.ts'],
    [
      ['a client that takes nothing is kept', 'setTimeout(onTooSlow, slowClientMs)', 'setTimeout(() => undefined, slowClientMs)'],
      ['a client that has taken something has no more time', 'clearTimeout(this.#patience)', ''],
      ['a client is never writable again', 'this.#patience = undefined\n    onDrain()', 'onDrain()'],
      ['a client that takes nothing is written to', '!this.isBlocked && this.#components.sink.isOpen', 'this.#components.sink.isOpen'],
      [
        'a client that takes little is taken for one that takes nothing',
        'sink.bufferedBytes + frame.length > maxSocketBufferBytes',
        'sink.bufferedBytes + frame.length > 0',
      ],
    ],
  ),
  ...breaks(
    'src/model/idempotency-key.ts',
    ['test/access/idempotency-keys.test.ts'],
    [
      ['strangers share keys', 'return `${encodeURIComponent(client)} ${kind}`', "return `anyone ${client === '' ? '' : kind}`"],
      ['the name of a client runs into its operation', '${encodeURIComponent(client)} ', '${client} '],
    ],
  ),
  ...breaks(
    'src/access/token-keys.ts',
    ['test/access/idempotency-keys.test.ts'],
    [
      ['a key answers for another token', 'if (earlier !== undefined && Buffer.compare', 'if (earlier === undefined && Buffer.compare'],
      ['tokens take any number of keys', 'take: (idempotency) => room.take(idempotency)', 'take: async () => undefined'],
    ],
  ),
  ...breaks(
    'src/http/routes/tokens.ts',
    ['test/access/idempotency-keys.test.ts'],
    [['tokens share their keys with publications', "'token')\n      const { token", "'publish')\n      const { token"]],
  ),
  ...breaks(
    'src/access/key-room.ts',
    ['test/access/idempotency-keys.test.ts'],
    [
      ['keys are not counted', 'counter.keys++', ''],
      ['a key too many is taken', 'if (counter.keys >= max) {', 'if (counter.keys > max) {'],
      [
        'keys are never counted anew',
        'counter.keys >= max && now() - counter.countedAt >= recountMs',
        'counter.countedAt === Number.NEGATIVE_INFINITY',
      ],
      ['a count that failed is not made again', 'counter.countedAt = Number.NEGATIVE_INFINITY', ''],
    ],
  ),
  ...breaks(
    'src/publish/publisher.ts',
    ['test/publish/publisher.test.ts'],
    [
      [
        'one client has all places of keys that publish',
        'const place = openKeys.take(request.client)',
        'const place = openKeys.hold(request.client, openKeys.total < 8 ? 1 : 0)',
      ],
      ['a key that has published keeps its place', 'place[Symbol.dispose]()', ''],
      ['a client that has left is waited for with its peers', 'if (limit.signal.aborted) changed.cancel()', ''],
    ],
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
    'src/access/sessions.ts',
    ['test/access/sessions.test.ts'],
    [
      ['a session lasts', 'record.expiresAt <= clock.settledAge()', 'record.expiresAt < 0'],
      ['a session outlasts its token', 'Math.min(clock.age() + sessionMs, ofToken)', 'clock.age() + sessionMs'],
      ['the cookie holds the name of the session', 'id: idOf(secret)', 'id: secret'],
      [
        'a session of another operator counts',
        "isSame(tokens.operatorProof(Buffer.from(secret)), Buffer.from(basis.proof, 'hex'))",
        'basis.proof.length > 0',
      ],
      ['sessions of a provider that is no more count', 'if (!init.acceptsSubjects) return undefined', ''],
      [
        'a session that is ended keeps its streams',
        'if (secretShape.test(secret) && (await store.remove(idOf(secret)))) void ends.tell(idOf(secret))',
        'if (secretShape.test(secret)) await store.remove(idOf(secret))',
      ],
      [
        'the cookie holds the token',
        "randomBytes(secretBytes).toString('base64url')",
        "(token + 'x'.repeat(43)).slice(0, 43).replaceAll('.', '-')",
      ],
      ['a session allows more than its topics', 'topics: basis.topics, expiresAt', "topics: { exact: [], patterns: ['>'] }, expiresAt"],
    ],
  ),
  ...breaks(
    'src/access/jwt.ts',
    ['test/access/jwt.test.ts'],
    [
      ['a token of another issuer is taken', '...(issuer === undefined ? {} : { issuer }),', ''],
      ['a token for another service is taken', '...(audience === undefined ? {} : { audience }),', ''],
      [
        'a token that never expires is taken',
        'exp: z.number().max(8_640_000_000_000)',
        'exp: z.number().max(8_640_000_000_000).default(8_640_000_000_000)',
      ],
      ['a token of nobody is taken', 'sub: nameSchema(255).min(1)', "sub: nameSchema(255).min(1).default('nobody')"],
      ['a shared key takes any algorithm', "algorithms: ['HS256']", "algorithms: ['HS256', 'HS384', 'HS512']"],
      ['rights that are misspelt are passed over', 'const claimSchema = z.strictObject({', 'const claimSchema = z.object({'],
      [
        'a claim that can not be read leaves those of the scope',
        'peergate: claimSchema.optional(),',
        'peergate: claimSchema.optional().catch(undefined),',
      ],
      ['a token has any name', 'sub: nameSchema(255).min(1),', 'sub: z.coerce.string(),'],
      ['a token expires beyond all dates', 'exp: z.number().max(8_640_000_000_000),', 'exp: z.number(),'],
      ['keys are fetched for everybody who names one', 'if (!reloads.take(performance.now()))', 'if (published === undefined)'],
      ['a new key is good only later', 'await published.reload()\n      return await check()', 'throw error'],
      ['clocks may differ by an hour', 'const clockTolerance = 30', 'const clockTolerance = 3_600'],
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
    'src/lib/shares.ts',
    ['test/lib/shares.test.ts'],
    [
      ['one holder has more than its share', '(isAlone ? alone : share)', '(isAlone ? alone : max)'],
      [
        'one holder that is alone has all',
        'const alone = maxPerHolder ?? Math.max(share, max - share)',
        'const alone = maxPerHolder ?? max',
      ],
      ['who is alone has its share only', 'held + units > (isAlone ? alone : share)', 'held + units > share'],
      [
        'a place is given back twice',
        'if (isHeld) giveBack(holder, units)\n        isHeld = false',
        'giveBack(holder, units)\n        isHeld = false',
      ],
      ['nobody is exempt', 'if (maxPerHolder === undefined && exempt.has(holder)) return undefined', ''],
      ['who is exempt is so from a number of each', 'if (maxPerHolder === undefined && exempt.has(holder))', 'if (exempt.has(holder))'],
    ],
  ),
  ...breaks(
    'src/access/client-key.ts',
    ['test/access/client-key.test.ts'],
    [
      ['each address of a network is a client', 'return ipNetwork(plainAddress(address))', 'return plainAddress(address)'],
      ['who has a token counts by address', 'if (grantId !== anyoneId) return grantId', ''],
      [
        'an address in both families is two',
        'if (high === undefined || low === undefined) return canonical',
        "if (high !== '') return canonical",
      ],
    ],
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
    'src/stream/commands.ts',
    ['test/access/topic-rights.test.ts'],
    [['frames about other topics are allowed', 'requireTopics(client.grant, topics)', '']],
  ),
  ...breaks(
    'src/model/grant.ts',
    ['test/model/grant.test.ts', 'test/access/tokens.test.ts'],
    [
      [
        'every action is allowed',
        "if (action === 'none' || action === 'any' || grant.actions.has(action)) return",
        'if (grant.actions.size > 0) return',
      ],
      [
        'every topic is allowed',
        '!matchesTopic(grant.topics, each)',
        'filter.patterns.includes(each) && !matchesTopic(grant.topics, each)',
      ],
      ['every pattern is allowed', 'patternsOf(filter).filter', 'filter.exact.filter'],
      [
        'a wider pattern is allowed',
        '!matchesTopic(grant.topics, each)',
        '!grant.topics.patterns.some((own) => matchesTopic({ exact: [], patterns: [each] }, own))',
      ],
      ['direct messages are read with topics', "if (filter.exact.includes(directTopic)) requireAction(grant, 'direct')", ''],
      ['all topics are told', 'return topics.filter((topic) => matchesTopic(grant.topics, topic))', 'return topics'],
    ],
  ),
  ...breaks(
    'src/identity/key-file.ts',
    ['test/identity/identity.test.ts'],
    [
      ['a key that everybody can read is used', '(mode & 0o007) !== 0', '(mode & 0o000) !== 0'],
      ['a key of a strange group is used', 'if (!isOwnGroup) return', 'if (mode === 0) return'],
      ['a key that its group may replace is used', '(mode & 0o020) === 0', '(mode & 0o000) === 0'],
      ['what is left of a key that found no room stays', 'await unlink(draft).catch(() => undefined)', 'draft'],
      [
        'a key of another kind is used',
        "seed.length === 32 && createPrivateKey(pem).asymmetricKeyType === 'ed25519'",
        'seed.length === 32',
      ],
      ['a new key is readable by everybody', "open(path, 'wx', 0o600)", "open(path, 'wx', 0o644)"],
      [
        'of two that make the key each has its own',
        'return await readFile(path)\n}\n\n/** Writes the complete',
        'return Buffer.from(pem)\n}\n\n/** Writes the complete',
      ],
    ],
  ),
  ...breaks(
    'src/identity/sequence.ts',
    ['test/identity/sequence.test.ts'],
    [
      ['a number is given before its ceiling is durable', 'if (last >= store.ceiling) store.raise(last + ceilingBlock)', ''],
      ['numbers fall with the clock', 'last = clock > last ? clock : last + 1n', 'last = clock'],
      ['the ceiling is given', 'if (last >= store.ceiling)', 'if (last > store.ceiling)'],
    ],
  ),
  ...breaks(
    'src/identity/key-state.ts',
    ['test/identity/identity.test.ts'],
    [
      [
        'two processes hold one key',
        'PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; BEGIN EXCLUSIVE',
        'PRAGMA synchronous = FULL; BEGIN',
      ],
    ],
  ),
]
