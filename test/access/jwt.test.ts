import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { CompactSign, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createJwtVerifier } from '../../src/access/jwt.ts'
import { InvalidToken } from '../../src/errors.ts'
import { gatewayWithTokens, noJwt } from './gateway-with-tokens.ts'

const secret = 'a key that is shared with the provider'
/** A gigabyte of spaces, packed. */
const bomb = Buffer.concat(Array.from({ length: 16 }, () => gzipSync(Buffer.alloc(67_108_864, ' '))))
const audience = 'peergate'
const issuer = 'https://idp.example'

type Claims = JWTPayload & { peergate?: unknown; scope?: string }

const sign = async (claims: Claims, key: Parameters<SignJWT['sign']>[0], header: { alg: string; kid?: string }) =>
  await new SignJWT({ iss: issuer, sub: 'alice', aud: audience, exp: Math.floor(Date.now() / 1_000) + 60, ...claims })
    .setProtectedHeader(header)
    .sign(key)

/** With claims of any type, which a library would refuse to sign. */
const raw = async (claims: object) =>
  await new CompactSign(
    Buffer.from(
      JSON.stringify({
        ...{ iss: issuer, sub: 'alice', aud: audience, exp: Math.floor(Date.now() / 1_000) + 60, scope: 'peergate:read' },
        ...claims,
      }),
    ),
  )
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(secret))

const shared = (claims: Claims, key = secret) => sign(claims, new TextEncoder().encode(key), { alg: 'HS256' })

/** An identity provider that publishes its key. */
async function provider() {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }
  const keys: object[] = [jwk]
  let asked = 0
  const server = createServer((_request, response) => {
    asked++
    response.end(JSON.stringify({ keys }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  const jwksUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/keys`
  return {
    jwksUrl,
    server,
    jwk,
    keys,
    asked: () => asked,
    sign: (claims: Claims) => sign(claims, privateKey, { alg: 'ES256', kid: 'one' }),
  }
}

const withJwt = (jwt: Partial<typeof noJwt> | Record<string, string>) =>
  gatewayWithTokens({ access: { insecure: false, adminToken: undefined, jwt: { ...noJwt, issuer, audience, ...jwt } as never } })

describe('a JSON Web Token', () => {
  test('of the provider gives the rights in its claim, or in its scope', async () => {
    const { jwksUrl, sign } = await provider()
    const { call } = await withJwt({ jwksUrl })
    const byClaim = await sign({ peergate: { actions: ['publish', 'fly'], topics: ['orders'] } })
    const byScope = await sign({ scope: 'openid peergate:read peergate:peers' })
    const none = await sign({})
    const publish = async (token: string, topic: string) =>
      (await call('POST', `/v1/topics/${topic}/messages`, { token, body: { data: 'x' } })).status
    expect(await Promise.all([publish(byClaim, 'orders'), publish(byClaim, 'secret'), publish(byScope, 'orders')])).toEqual([201, 403, 403])
    const read = async (token: string) => (await call('GET', '/v1/messages', { token })).status
    expect(await Promise.all([read(byClaim), read(byScope), read(none)])).toEqual([403, 200, 403])
    expect((await call('GET', '/v1/messages')).status).toBe(401)
  })

  test('with a shared key does so too', async () => {
    const { call } = await withJwt({ secret })
    expect((await call('GET', '/v1/messages', { token: await shared({ scope: 'peergate:read' }) })).status).toBe(200)
  })

  test.each<[string, Claims, string?]>([
    ['of another issuer', { iss: 'https://other.example' }],
    ['for another service', { aud: 'other' }],
    ['that has expired', { exp: Math.floor(Date.now() / 1_000) - 60 }],
    ['that is not valid yet', { nbf: Math.floor(Date.now() / 1_000) + 60 }],
    ['of nobody', { sub: undefined as never }],
    ['that never expires', { exp: undefined as never }],
    ['signed with another key', {}, 'another key that nobody has shared with us'],
    ['whose rights can not be read', { peergate: { actions: 'read' } }],
    ['whose topics are no list', { peergate: { actions: ['read'], topics: 'orders.*' } }],
    ['whose rights are null', { peergate: null }],
    ['whose topics are none', { peergate: { actions: ['read'], topics: ['orders\u0000'] } }],
    ['whose scope is a list', { scope: ['peergate:read'] as never }],
    ['that expires beyond all dates', { exp: 1e300 }],
    ['of an empty name', { sub: '' }],
    ['of a name with a control character', { sub: 'alice\u0000' }],
    ['of a name that is too long', { sub: 'x'.repeat(256) }],
  ])('%s is refused', async (_, claims, key) => {
    const { call } = await withJwt({ secret })
    const { status, body } = await call('GET', '/v1/messages', { token: await shared({ scope: 'peergate:read', ...claims }, key) })
    expect([status, body.code]).toEqual([401, 'invalid_token'])
  })

  const wrong: unknown[] = [null, true, 1, 'read', 'admin', [], ['read'], {}, { topics: ['>'] }]
  const wrongActions: unknown[] = [
    null,
    true,
    1,
    '',
    'read',
    {},
    { read: true },
    [1],
    [null],
    [['read']],
    ['read', {}],
    Array(101).fill('read'),
  ]
  const wrongTopics: unknown[] = [
    null,
    false,
    0,
    '',
    '*',
    {},
    { 0: 'a' },
    [1],
    [null],
    [['>']],
    [''],
    ['a', 'b\u0000'],
    ['\ud800'],
    ['x'.repeat(300)],
  ]
  test.each([
    ...wrong,
    ...wrongActions.map((actions) => ({ actions })),
    ...wrongTopics.map((topics) => ({ actions: ['read'], topics })),
    // Of a newer version, or misspelt: a limit that is not known is none that may be passed over.
    { actions: ['read'], topic: ['orders'] },
    { actions: ['read'], Topics: ['orders'] },
    { actions: ['read'], topics: ['>'], until: 1 },
  ])('whose claim peergate is %j is refused, whatever its scope says', async (peergate) => {
    const { call } = await withJwt({ secret })
    const { status, body } = await call('GET', '/v1/messages', { token: await shared({ scope: 'peergate:read peergate:admin', peergate }) })
    expect([status, body.code]).toEqual([401, 'invalid_token'])
  })

  const now = Math.floor(Date.now() / 1_000)
  test.each<[string, unknown]>([
    ...[null, true, '', String(now + 60), {}, [now + 60], -1, 0, now - 31, 8.7e12, 1e308].map((value): [string, unknown] => ['exp', value]),
    ...[null, true, '', String(now), {}, [now], now + 600, 1e308].map((value): [string, unknown] => ['nbf', value]),
    ...[null, true, '', String(now), {}, [now]].map((value): [string, unknown] => ['iat', value]),
    ...[null, true, 1, {}, ['alice'], '\ud800'].map((value): [string, unknown] => ['sub', value]),
    ...[null, true, 1, {}, [], [1], ['other'], '', 'Peergate'].map((value): [string, unknown] => ['aud', value]),
    ...[null, true, 1, {}, [issuer], '', `${issuer}/`].map((value): [string, unknown] => ['iss', value]),
    ...[null, true, 1, {}, ['peergate:read']].map((value): [string, unknown] => ['scope', value]),
  ])('whose claim %s is %j is refused', async (name, value) => {
    const { call } = await withJwt({ secret })
    const { status, body } = await call('GET', '/v1/messages', { token: await raw({ [name]: value }) })
    expect([status, body.code]).toEqual([401, 'invalid_token'])
  })

  test.each<[string, object]>([
    ['exp', { exp: now + 60.5 }],
    ['nbf', { nbf: now + 20 }],
    ['aud', { aud: ['other', audience] }],
    ['jti', { jti: 'x' }],
  ])('with what may stand in %s is good', async (_, claims) => {
    const { call } = await withJwt({ secret })
    expect((await call('GET', '/v1/messages', { token: await raw(claims) })).status).toBe(200)
  })

  test.each([null, 1, 'claims', [], [{ sub: 'alice' }]])('whose payload is %j is refused', async (payload) => {
    const { call } = await withJwt({ secret })
    const token = await new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(secret))
    expect((await call('GET', '/v1/messages', { token })).body.code).toBe('invalid_token')
  })

  test.each<[string, Record<string, unknown>]>([
    ['a number', { kid: 1 }],
    ['a list', { kid: ['one'] }],
    ['null', { kid: null }],
    ['a path', { kid: '../../dev/null' }],
  ])('whose key id is %s is refused, and its header names no key of its own', async (_, header) => {
    const { jwksUrl, sign } = await provider()
    const { call } = await withJwt({ jwksUrl })
    expect((await call('GET', '/v1/messages', { token: await sign({ scope: 'peergate:read' }) })).status).toBe(200)
    const own = await generateKeyPair('ES256')
    const jwk = await exportJWK(own.publicKey)
    const claims = { iss: issuer, aud: audience, sub: 'alice', exp: now + 600, scope: 'peergate:read' }
    const token = await new CompactSign(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: 'ES256', jwk, jku: jwksUrl, ...header } as never)
      .sign(own.privateKey)
    const codes = [(await call('GET', '/v1/messages', { token })).body.code, (await call('GET', '/v1/messages', { token })).body.code]
    expect(codes).toEqual(['invalid_token', 'invalid_token'])
  })

  test.each(['HS384', 'HS512'])('with a shared key is of the one algorithm that was agreed on, which %s is not', async (alg) => {
    const key = 'a key that is long enough for every algorithm, of 64 bytes or more'
    const { call } = await withJwt({ secret: key })
    const claims = { scope: 'peergate:read' }
    expect((await call('GET', '/v1/messages', { token: await shared(claims, key) })).status).toBe(200)
    const other = await sign(claims, new TextEncoder().encode(key), { alg })
    expect((await call('GET', '/v1/messages', { token: other })).body.code).toBe('invalid_token')
  })

  test('whose algorithm is not the one of the keys is refused: none, and the public key as a shared one', async () => {
    const { jwksUrl, jwk } = await provider()
    const { call } = await withJwt({ jwksUrl })
    const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { iss: issuer, aud: audience, sub: 'x', exp: Math.floor(Date.now() / 1_000) + 60, scope: 'peergate:read' }
    const forged = [
      `${base64({ alg: 'none' })}.${base64(claims)}.x`,
      await sign(claims, new TextEncoder().encode(JSON.stringify(jwk)), { alg: 'HS256', kid: 'one' }),
    ]
    for (const token of forged) expect((await call('GET', '/v1/messages', { token })).body.code).toBe('invalid_token')
  })

  test('can not be checked while the provider is away, and can again when it is back', async () => {
    const { jwksUrl, server, sign } = await provider()
    const { call } = await withJwt({ jwksUrl })
    const token = await sign({ scope: 'peergate:read' })
    const { port } = new URL(jwksUrl)
    server.close()
    server.closeAllConnections()
    const away = await call('GET', '/v1/messages', { token })
    expect([away.status, away.body.code, away.headers.get('retry-after')]).toEqual([503, 'token_check_unavailable', '5'])
    server.listen(Number(port), '127.0.0.1')
    await once(server, 'listening')
    expect((await call('GET', '/v1/messages', { token })).status).toBe(200)
  })

  test.each<[string, (response: ServerResponse) => void]>([
    ['an error', (response) => void response.writeHead(500).end('{"keys":[]}')],
    ['a redirect', (response) => void response.writeHead(302, { location: '/keys' }).end()],
    ['no JSON', (response) => void response.end('<html>')],
    ['no keys', (response) => void response.end('{"keys":7}')],
    ['null', (response) => void response.end('null')],
    ['a reset', (response) => void response.socket?.resetAndDestroy()],
    ['half an answer', (response) => void response.writeHead(200, { 'content-length': 100 }).write('{"keys"', () => response.destroy())],
    ['no HTTP', (response) => void response.socket?.end('keys')],
    ['endless fields', (response) => void response.writeHead(200, { 'x-long': 'x'.repeat(1_000_000) }).end()],
    ['a megabyte that unpacks to a gigabyte', (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb)],
  ])('can not be checked when the provider answers with %s', async (_, answer) => {
    const { jwksUrl, server, sign } = await provider()
    const { call } = await withJwt({ jwksUrl })
    server.removeAllListeners('request').on('request', (_request, response) => answer(response))
    const token = await sign({ scope: 'peergate:read' })
    const { status, body } = await call('GET', '/v1/messages', { token })
    expect([status, body.code]).toEqual([503, 'token_check_unavailable'])
  })

  test('can not be checked when the keys do not end: they are read to a bound', async () => {
    const { jwksUrl, server, sign } = await provider()
    const { call } = await withJwt({ jwksUrl })
    const cut = Promise.withResolvers<void>()
    let written = 0
    server.removeAllListeners('request').on('request', (_request, response) => {
      response.on('close', cut.resolve)
      const more = () => {
        while (!response.destroyed) {
          written += 65_536
          if (!response.write(Buffer.alloc(65_536, ' '))) break
        }
      }
      response.on('drain', more)
      more()
    })
    const token = await sign({ scope: 'peergate:read' })
    expect((await call('GET', '/v1/messages', { token })).body.code).toBe('token_check_unavailable')
    await cut.promise
    // What is on its way in the buffers of two sockets comes on top.
    expect(written).toBeLessThan(32_000_000)
  })

  test('signed with a key that was published a moment after the keys were fetched is good; keys are not fetched for everybody who names one', async () => {
    const { jwksUrl, keys, sign: signOne, asked } = await provider()
    const { call } = await withJwt({ jwksUrl })
    const read = async (token: string) => await call('GET', '/v1/messages', { token })
    expect((await read(await signOne({ scope: 'peergate:read' }))).status).toBe(200)
    const second = await generateKeyPair('ES256')
    keys.push({ ...(await exportJWK(second.publicKey)), kid: 'two', alg: 'ES256' })
    const rotated = await sign({ scope: 'peergate:read' }, second.privateKey, { alg: 'ES256', kid: 'two' })
    expect((await read(rotated)).status).toBe(200)
    const unknown = await Promise.all(
      Array.from({ length: 30 }, (_, index) => sign({ scope: 'peergate:read' }, second.privateKey, { alg: 'ES256', kid: `none ${index}` })),
    )
    const answers = []
    for (const token of unknown) answers.push((await read(token)).body.code)
    expect(new Set(answers)).toEqual(new Set(['invalid_token', 'token_check_unavailable']))
    expect(asked()).toBeLessThan(20)
    expect((await read(rotated)).status).toBe(200)
  })
})

test('the token of the operator is known in whatever shape, beside those of a provider', async () => {
  const { call } = await gatewayWithTokens({
    access: { insecure: false, adminToken: 'a.b.c', jwt: { ...noJwt, issuer, audience, secret } as never },
  })
  expect((await call('GET', '/v1/tokens', { token: 'a.b.c' })).status).toBe(200)
  expect((await call('GET', '/v1/tokens', { token: 'a.b.d' })).body.code).toBe('invalid_token')
})

test('a token ends by the clock of the log, whatever that of the process says, and whoever has signed it', async () => {
  const { jwksUrl, sign: signPublished } = await provider()
  const clock = { now: Date.now() }
  const now = () => clock.now
  const ways = [
    { verify: createJwtVerifier({ ...noJwt, secret }, { now }), token: await shared({ scope: 'peergate:read' }) },
    { verify: createJwtVerifier({ ...noJwt, jwksUrl }, { now }), token: await signPublished({ scope: 'peergate:read' }) },
  ]
  for (const { verify, token } of ways) {
    for (const days of [0, -30]) {
      clock.now = Date.now() + days * 86_400_000
      expect(await verify?.(token)).toMatchObject({ id: 'sub:alice' })
    }
    clock.now = Date.now() + 8 * 86_400_000
    await expect(verify?.(token)).rejects.toBeInstanceOf(InvalidToken)
  }
})
