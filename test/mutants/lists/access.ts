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
      ['a token that expired is known', 'if (grant.expiresAt !== undefined && grant.expiresAt <= now()) return undefined', ''],
      ['a revoked token stays in the cache', 'if (change.session === undefined) grants.forget(change.token)', ''],
      [
        'a token that was revoked elsewhere stays in the cache',
        "if (change.kind === 'tokens') changed(omitUndefined({ token: change.token, session: change.session }))",
        "if (change.kind === 'tokens') changes.tell(change)",
      ],
      [
        'streams of a revoked token stay',
        'changed({ token: id })\n      }\n    },\n    operatorGrant',
        'grants.forget(id)\n      }\n    },\n    operatorGrant',
      ],
      ['the secret is stored', 'hash: hashOf(secret)', 'hash: Buffer.from(secret)'],
      ['any secret is the operator’s', 'timingSafeEqual(operator, hashOf(secret))', 'operator.length === hashOf(secret).length'],
      ['a token that has expired is made', 'if (expires !== undefined && expires <= now()) {', 'if (expires === 0) {'],
    ],
  ),
  ...breaks(
    'src/access/tokens.ts',
    ['test/access/revocation.test.ts', 'test/access/tokens.test.ts'],
    [
      ['the last token that administers is revoked', '{ keepsAdmin: needsAdminToken }', '{ keepsAdmin: false }'],
      [
        'a token that administers for a while stands for the last',
        "actions.includes('admin') && expiresAt === undefined",
        "actions.includes('admin') && expiresAt !== 0",
      ],
      ['the first token may be any', 'needsOther: needsAdminToken && !isLastingAdmin(record)', 'needsOther: false'],
      [
        'a removal that is not confirmed leaves the token in the cache',
        'ends.tell(id)\n      } finally {',
        'ends.tell(id)\n      } catch (error) {\n        throw error\n      }\n      {',
      ],
    ],
  ),
  ...breaks(
    'src/access/grant-cache.ts',
    ['test/access/token-cache.test.ts', 'test/access/revocation.test.ts'],
    [
      [
        'a token that is revoked while it is looked up is remembered',
        'if (forgotten.has(found.id) || forgotten.has(undefined)) continue',
        '',
      ],
      ['the end of one token makes all be looked up again', 'if (grant.id === id) grants.delete(key)', 'grants.delete(key)'],
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
        'if (secretShape.test(secret) && (await store.remove(idOf(secret)))) ends.tell(idOf(secret))',
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
    ],
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
]
