import { expect, test } from 'vitest'
import { createKeyRoom, idempotencyScope } from '../../src/idempotency.ts'
import { defaultLimits } from '../../src/limits.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { gatewayWithTokens } from './gateway-with-tokens.ts'

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
  expect((await publish(one, 'a', '/v1/topics/news/messages')).status).toBe(201)
  await using stream = await openStream(gateway.url, { headers: { authorization: `Bearer ${one}` } })
  stream.send({ type: 'publish', id: 1, topic: 'orders', data: 'x', idempotencyKey: 'a' })
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

test('keys are counted once, and anew when there are as many as may be, no more often than twice a minute', async () => {
  const clock = { now: 0 }
  const stored = { keys: 1, counts: 0 }
  const room = createKeyRoom(
    { max: 3 },
    {
      now: () => clock.now,
      async count(prefix, limit) {
        expect([prefix, limit]).toEqual(['sub%3Aa%20b ', 3])
        stored.counts++
        return stored.keys
      },
    },
  )
  const idempotency = { scope: idempotencyScope({ id: 'sub:a b' }, 'send') }
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
  expect(idempotencyScope({ id: 'sub:a stream' }, 'publish')).not.toBe(idempotencyScope({ id: 'sub:a' }, 'stream publish'))
})
