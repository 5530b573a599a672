import { describe, expect, test } from 'vitest'
import { createKeyRoom } from '../../src/access/key-room.ts'
import { defaultLimits } from '../../src/limits.ts'
import { idempotencyScope } from '../../src/model/idempotency-key.ts'
import { isMissing, storeKinds, storesForTests } from '../fixtures/every-store.ts'
import { loopbackHttp } from '../fixtures/gateway-pair.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { adminToken, gatewayWithTokens, noJwt } from './gateway-with-tokens.ts'

const openStore = storesForTests()

const limits = { ...defaultLimits, maxIdempotencyKeysPerToken: 3 }
const peer = '12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7'

test('a token publishes with a bounded number of keys, by all ways together; repetitions, others and what has no key are served', async () => {
  const { gateway, call, tokenFor } = await gatewayWithTokens({ limits })
  const [one, other] = [(await tokenFor(['publish'])).secret, (await tokenFor(['publish'])).secret]
  const publish = async (token: string, key?: string, path = '/v1/topics/orders/messages') => {
    const headers = key === undefined ? {} : { 'idempotency-key': key }
    return await call('POST', path, { token, body: { data: 'x' }, headers })
  }
  expect((await publish(one, 'a')).status).toBe(201)
  expect((await publish(one, 'c', '/v1/topics/news/messages')).status).toBe(201)
  await using stream = await openStream(gateway.url, { headers: { authorization: `Bearer ${one}` } })
  stream.send({ type: 'publish', id: 1, topic: 'orders', data: 'x', idempotencyKey: 'd' })
  await stream.expect('published')
  const refused = await publish(one, 'b')
  expect([refused.status, refused.body.code]).toEqual([429, 'idempotency_key_limit'])
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  stream.send({ type: 'publish', id: 2, topic: 'orders', data: 'x', idempotencyKey: 'b' })
  expect(await stream.expect('error')).toMatchObject({ id: 2, code: 'idempotency_key_limit', retryable: true })
  const again = await publish(one, 'a')
  expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([201, 'true'])
  expect((await publish(one)).status).toBe(201)
  expect((await publish(other, 'b')).status).toBe(201)
})

test('a token sends direct messages with a bounded number of keys; repetitions are answered', async () => {
  const { call, tokenFor } = await gatewayWithTokens({ limits })
  const token = (await tokenFor(['direct'])).secret
  const send = async (key?: string, data = 'x') => {
    const headers = key === undefined ? {} : { 'idempotency-key': key }
    const { status, body } = await call('POST', `/v1/peers/${peer}/messages`, { token, body: { data }, headers })
    return status === 202 ? body['id'] : body.code
  }
  const first = await send('a')
  for (const key of ['b', 'c']) expect(await send(key)).toEqual(expect.any(String))
  expect(await send('d')).toBe('idempotency_key_limit')
  expect(await send('a')).toBe(first)
  expect(await send('a', 'y')).toBe('idempotency_key_reused')
  expect(await send()).not.toBe('idempotency_key_limit')
})

describe.each(storeKinds)('tokens, on the %s store', (kind) => {
  const admin = { name: 'deputy', actions: ['admin', 'read'], topics: ['>'] }
  const input = { name: 'till', actions: ['read'], topics: ['orders'] }

  test.skipIf(isMissing(kind))('are created once by a key; a repetition gets the token without its secret', async () => {
    const store = await openStore(kind)
    const { call, tokenFor } = await gatewayWithTokens({ store, limits: { ...limits, maxIdempotencyKeysPerToken: 30 } })
    const create = async (key: string, body: unknown = input, token = adminToken) =>
      await call('POST', '/v1/tokens', { token, body, headers: { 'idempotency-key': key } })
    // Tokens of one millisecond are in any order.
    const names = async () => (await call('GET', '/v1/tokens', { token: adminToken })).body.items?.map(({ name }) => name).toSorted()

    const twins = await Promise.all(Array.from({ length: 20 }, () => create('a')))
    expect(twins.map(({ status }) => status)).toEqual(twins.map(() => 201))
    const [made, ...more] = twins.filter(({ body }) => body['secret'] !== null)
    expect(more).toEqual([])
    for (const { body, headers } of twins) {
      const isFirst = body === made?.body
      expect(body).toEqual({ ...made?.body, secret: isFirst ? expect.stringMatching('^peergate_') : null })
      expect([headers.get('location'), headers.get('idempotent-replayed')]).toEqual([
        `/v1/tokens/${made?.body['id']}`,
        isFirst ? null : 'true',
      ])
    }
    expect(await names()).toEqual(['till'])
    expect((await call('GET', '/v1/messages', { token: String(made?.body['secret']) })).status).toBe(403)

    // A key belongs to its request, its client and its kind.
    expect((await create('a', { ...input, name: 'other' })).body.code).toBe('idempotency_key_reused')
    expect((await create('a', { ...input, expiresAt: '2999-01-01T00:00:00Z' })).body.code).toBe('idempotency_key_reused')
    const deputy = await tokenFor(admin.actions)
    expect((await create('a', input, deputy.secret)).body['secret']).toEqual(expect.any(String))
    const headers = { 'idempotency-key': 'a' }
    expect((await call('POST', '/v1/topics/orders/messages', { token: adminToken, body: { data: 'x' }, headers })).status).toBe(201)

    // The client that lost the secret learns the id, and revokes the token: it does not come back.
    expect((await call('DELETE', `/v1/tokens/${made?.body['id']}`, { token: adminToken })).status).toBe(204)
    expect((await create('a')).body).toEqual({ ...made?.body, secret: null })
    expect(await names()).toEqual(['test', 'till'])
  })
})

test('a token creates others with a bounded number of keys; repetitions, what has no key, and other kinds are served', async () => {
  const { call } = await gatewayWithTokens({ limits })
  const create = async (key?: string) => {
    const headers = key === undefined ? {} : { 'idempotency-key': key }
    const body = { name: 'x', actions: ['read'] }
    return (await call('POST', '/v1/tokens', { token: adminToken, body, headers })).body
  }
  for (const key of ['a', 'b', 'c']) expect((await create(key)).code).toBeUndefined()
  expect((await create('d')).code).toBe('idempotency_key_limit')
  expect((await create('a'))['secret']).toBeNull()
  expect((await create())['secret']).toEqual(expect.any(String))
  const headers = { 'idempotency-key': 'd' }
  expect((await call('POST', '/v1/topics/orders/messages', { token: adminToken, body: { data: 'x' }, headers })).status).toBe(201)
})

describe.each(storeKinds)('clients without a token, on the %s store', (kind) => {
  /** An open gateway behind a proxy, and what is sent to it from an address. */
  async function open() {
    const { gateway, call } = await gatewayWithTokens({
      store: await openStore(kind),
      limits: { ...limits, maxIdempotencyKeysPerToken: 2 },
      access: { insecure: true, adminToken: undefined, jwt: noJwt },
      http: { ...loopbackHttp, trustedProxies: ['127.0.0.1'] },
    })
    const from = (address: string, key: string) => ({ 'x-forwarded-for': address, 'idempotency-key': key })
    const ways: Record<string, (address: string, key: string, data?: string) => Promise<unknown>> = {
      async publish(address, key, data = 'x') {
        const { body } = await call('POST', '/v1/topics/orders/messages', { body: { data }, headers: from(address, key) })
        return body.code ?? body['id']
      },
      async send(address, key, data = 'x') {
        const { body } = await call('POST', `/v1/peers/${peer}/messages`, { body: { data }, headers: from(address, key) })
        return body.code ?? body['id']
      },
      async stream(address, key, data = 'x') {
        await using stream = await openStream(gateway.url, { headers: { 'x-forwarded-for': address } })
        stream.send({ type: 'publish', id: 1, topic: 'orders', data, idempotencyKey: key })
        const answer = await Promise.race([stream.expect('published'), stream.expect('error')])
        return answer.type === 'error' ? answer.code : answer.messageId
      },
    }
    return ways
  }

  test.skipIf(isMissing(kind)).each(['publish', 'send', 'stream'])(
    'share no key and no number of keys with others, and are one by their address (%s)',
    async (way) => {
      const act = (await open())[way]
      if (act === undefined) throw new Error('there is no such way')
      const first = await act('198.51.100.1', 'one')
      expect(await act('198.51.100.1', 'one')).toBe(first)
      const others = await act('203.0.113.7', 'one')
      expect([first, others]).toEqual([expect.stringMatching(/./), expect.stringMatching(/./)])
      expect(others).not.toBe(first)
      // Nobody can tell from an answer whether another has used the key.
      expect(await act('203.0.113.8', 'one', 'something else')).not.toMatch(/idempotency/)
      expect(await act('198.51.100.1', 'two')).not.toMatch(/idempotency/)
      expect(await act('198.51.100.1', 'three')).toBe('idempotency_key_limit')
      expect(await act('203.0.113.7', 'two')).not.toMatch(/idempotency/)
      const inNetwork = await act('2001:db8::1', 'one')
      expect(await act('2001:db8::ffff:1', 'one')).toBe(inNetwork)
      expect(await act('2001:db8:0:1::1', 'one')).not.toBe(inNetwork)
    },
  )
})

test('keys are counted once, and anew when there are as many as may be, no more often than twice a minute', async () => {
  const clock = { now: 0 }
  const stored = { keys: 1, counts: 0 }
  const room = createKeyRoom(
    { max: 3 },
    {
      now: () => clock.now,
      async count(prefix, limit) {
        expect([prefix, limit]).toEqual(['sub%3Aa%20b send ', 3])
        stored.counts++
        return stored.keys
      },
    },
  )
  const idempotency = { scope: idempotencyScope('sub:a b', 'send') }
  await Promise.all([room.take(idempotency), room.take(idempotency)])
  expect(stored.counts).toBe(1)
  stored.keys = 3
  clock.now = 30_000
  await expect(room.take(idempotency)).rejects.toMatchObject({ code: 'idempotency_key_limit' })
  stored.keys = 2
  clock.now = 59_999
  await expect(room.take(idempotency)).rejects.toMatchObject({ code: 'idempotency_key_limit' })
  clock.now = 60_000
  await room.take(idempotency)
  expect(stored.counts).toBe(3)
})

test('a count that fails refuses, and is made again by the next', async () => {
  let fails = true
  const room = createKeyRoom(
    { max: 3 },
    {
      async count() {
        if (fails) throw new Error('away')
        return 0
      },
    },
  )
  await expect(room.take({ scope: 'a send' })).rejects.toThrow('away')
  fails = false
  await room.take({ scope: 'a send' })
})

test('no two clients share a key, whatever their names are', () => {
  expect(idempotencyScope('sub:a publish', 'send')).not.toMatch(new RegExp(`^${idempotencyScope('sub:a', 'publish')}`))
})

test('a key publishes once by whichever way, and belongs to what it published: a list of one is no single message', async () => {
  const { gateway, call } = await gatewayWithTokens()
  await using stream = await openStream(gateway.url, { headers: { authorization: `Bearer ${adminToken}` } })
  const post = (path: string, body: unknown) => call('POST', path, { token: adminToken, body, headers: { 'idempotency-key': 'one' } })
  stream.send({ type: 'publish', id: 1, topic: 'orders', data: 'x', idempotencyKey: 'one' })
  const { messageId } = await stream.expect('published')
  const again = await post('/v1/topics/orders/messages', { data: 'x' })
  expect([again.status, again.body['id'], again.headers.get('idempotent-replayed')]).toEqual([201, messageId, 'true'])
  expect(await post('/v1/topics/others/messages', { data: 'x' })).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } })
  expect(await post('/v1/messages', { messages: [{ topic: 'orders', data: 'x' }] })).toMatchObject({ status: 422 })
  // Direct messages have keys of their own.
  expect((await post(`/v1/peers/${peer}/messages`, { data: 'x' })).status).toBe(202)
})
