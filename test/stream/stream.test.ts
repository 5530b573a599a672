import { describe, expect, onTestFinished, test } from 'vitest'
import type { Gateway } from '../../src/gateway/gateway.ts'
import type { Limits } from '../../src/limits.ts'
import { parseCursor } from '../../src/model/cursor.ts'
import { memoryGateway, memoryPair } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createRest, type Rest } from '../fixtures/rest.ts'
import { standStill } from '../fixtures/stand-still.ts'
import { openStream, type StreamClient } from '../fixtures/stream-client.ts'

async function setUp(limits: Partial<Limits> = {}): Promise<{ gateway: Gateway; rest: Rest; open(query?: string): Promise<StreamClient> }> {
  const gateway = await memoryGateway(createMemoryNetwork(), limits)
  onTestFinished(() => gateway.stop())
  return {
    gateway,
    rest: createRest(gateway.url),
    async open(query = '') {
      const client = await openStream(gateway.url, { query })
      onTestFinished(() => client[Symbol.asyncDispose]())
      return client
    },
  }
}

const dataOf = (client: StreamClient) => client.messages.map(({ data }) => data)

describe('welcome', () => {
  test('comes first and says who is there, where the log ends, and the limits', async () => {
    const { gateway, rest, open } = await setUp({ heartbeatMs: 12_345 })
    const { cursor } = await rest.publish('orders', 'one')
    const client = await open()
    const { peerId } = await gateway.node()
    await client.expect('welcome')
    expect(client.frames[0]).toMatchObject({ type: 'welcome', peerId, engine: 'memory', cursor, heartbeatMs: 12_345 })
  })
})

describe('subscribe', () => {
  test('answers, replays what is stored after the cursor, says when it has caught up, and goes on live', async () => {
    const { rest, open } = await setUp()
    const first = await rest.publish('orders', 'one')
    await rest.publish('others', 'no')
    const second = await rest.publish('orders', 'two')
    const client = await open()
    client.send({ type: 'subscribe', id: 7, topics: ['orders'], after: first.cursor })
    await client.expect('caught-up')
    const live = await rest.publish('orders', 'three')
    await client.until(() => client.messages.length === 2)
    expect(client.frames.slice(1).map(({ type }) => type)).toEqual(['subscribed', 'message', 'caught-up', 'message'])
    expect(client.frames[1]).toEqual({ type: 'subscribed', id: 7, cursor: first.cursor })
    expect(client.messages).toMatchObject([
      { id: second.id, cursor: second.cursor, data: 'two', topic: 'orders' },
      { id: live.id, data: 'three' },
    ])
    expect(client.frames.at(-1)).not.toHaveProperty('id')
  })

  test('begins at the end without a cursor, and joins an exact topic but no pattern', async () => {
    const { rest, open } = await setUp()
    await rest.publish('orders', 'before')
    const client = await open()
    client.send({ type: 'subscribe', topics: ['new topic', 'pattern.*'] })
    await client.expect('caught-up')
    const { items } = await rest.get<{ items: Array<{ topic: string; joined: boolean }> }>('/v1/topics')
    expect(items.map(({ topic }) => topic)).toEqual(['new topic', 'orders'])
    await rest.publish('pattern.x', 'live')
    await client.until(() => client.messages.length === 1)
    expect(dataOf(client)).toEqual(['live'])
  })

  test('works from the query string alone', async () => {
    const { rest, open } = await setUp()
    await rest.publish('a', 'one')
    await rest.publish('b', 'two')
    await rest.publish('c', 'three')
    const client = await open('?topic=a&topic=b&after=earliest&encoding=base64')
    await client.expect('caught-up')
    expect(dataOf(client)).toEqual(['one', 'two'].map((text) => Buffer.from(text).toString('base64')))
  })

  test('keeps several subscriptions apart, each with its name and position', async () => {
    const { rest, open } = await setUp()
    await rest.publish('a', 'old')
    const client = await open()
    client.send({ type: 'subscribe', subscription: 'all', topics: ['>'], after: 'earliest' })
    client.send({ type: 'subscribe', topics: ['a'] })
    await client.expect('caught-up', ({ subscription }) => subscription === undefined)
    await rest.publish('a', 'new')
    await client.until(() => client.messages.length === 3)
    const received = client.frames.flatMap((frame) => (frame.type === 'message' ? [[frame.subscription, frame.message.data]] : []))
    expect(received.filter(([name]) => name === 'all')).toEqual([
      ['all', 'old'],
      ['all', 'new'],
    ])
    expect(received.filter(([name]) => name === undefined)).toEqual([[undefined, 'new']])
  })

  test('with the same name replaces the subscription and, without a cursor, keeps its position', async () => {
    const { rest, open } = await setUp()
    const client = await open('?topic=a')
    await client.expect('caught-up')
    await rest.publish('b', 'passed by')
    await rest.publish('a', 'one')
    await client.until(() => client.messages.length === 1)
    client.send({ type: 'subscribe', topics: ['b'] })
    await client.expect('subscribed', (frame) => parseCursor(frame.cursor).seq === 2)
    await rest.publish('a', 'no more')
    await rest.publish('b', 'two')
    await client.until(() => client.messages.length === 2)
    expect(dataOf(client)).toEqual(['one', 'two'])
  })

  test('gives data as text when it is text, else as base64', async () => {
    const { rest, open } = await setUp()
    const client = await open('?topic=a')
    await client.expect('caught-up')
    await rest.call('POST', '/v1/topics/a/messages', { data: '/wD+', encoding: 'base64' })
    await rest.publish('a', '\ufeffbyte order mark')
    await client.until(() => client.messages.length === 2)
    expect(client.messages).toMatchObject([
      { data: '/wD+', encoding: 'base64' },
      { data: '\ufeffbyte order mark', encoding: 'utf8' },
    ])
  })

  test.each([
    [{ after: 'nonsense' }, 'invalid_cursor'],
    [{ after: 'otherepoch.1' }, 'cursor_epoch_mismatch'],
    [{ after: 'memory.99' }, 'cursor_ahead'],
    [{ topics: [] }, 'invalid_request'],
    [{ topics: ['..'] }, 'invalid_topic'],
    [{ topics: ['a\u0000b'] }, 'invalid_topic'],
    [{ encoding: 'hex' }, 'invalid_request'],
    [{ encodng: 'base64' }, 'invalid_request'],
  ])('refuses %j with the code %s, and the connection lives on', async (fields, code) => {
    const { open, rest } = await setUp()
    const client = await open()
    client.send({ type: 'subscribe', id: 'x', topics: ['a'], ...fields })
    const error = await client.expect('error')
    expect(error).toMatchObject({ id: 'x', code, retryable: false, title: expect.any(String), detail: expect.any(String) })
    if (code.startsWith('cursor_')) expect(error).toMatchObject({ earliest: 'memory.0', latest: 'memory.0', epoch: 'memory' })
    client.send({ type: 'subscribe', topics: ['fine'] })
    await client.expect('caught-up')
    await rest.publish('fine', 'still here')
    await client.expect('message')
  })
})

test('unsubscribe ends a subscription, and only one that is there', async () => {
  const { rest, open } = await setUp()
  const client = await open()
  client.send({ type: 'subscribe', subscription: 's', topics: ['a'] })
  await client.expect('caught-up')
  client.send({ type: 'unsubscribe', id: 1, subscription: 's' })
  expect(await client.expect('unsubscribed')).toEqual({ type: 'unsubscribed', id: 1, subscription: 's' })
  await rest.publish('a', 'unheard')
  client.send({ type: 'unsubscribe', id: 2, subscription: 's' })
  expect(await client.expect('error')).toMatchObject({ id: 2, code: 'subscription_not_found', subscription: 's' })
  expect(client.messages).toEqual([])
})

describe('publish', () => {
  test('answers with what was stored, in the order of the frames', async () => {
    const { rest, open } = await setUp()
    const client = await open()
    for (let number = 0; number < 200; number++) client.send({ type: 'publish', id: number, topic: 'orders', data: `message ${number}` })
    await client.until(() => client.frames.filter(({ type }) => type === 'published').length === 200)
    const log = await rest.history('topic=orders')
    expect(log.map(({ data }) => data)).toEqual(Array.from({ length: 200 }, (_, number) => `message ${number}`))
    const published = client.frames.flatMap((frame) => (frame.type === 'published' ? [frame] : []))
    expect(published.map(({ id, messageId, cursor }) => [id, messageId, cursor])).toEqual(
      log.map(({ id, cursor }, index) => [index, id, cursor]),
    )
  })

  test.each([
    [{ topic: '', data: 'x' }, 'invalid_topic'],
    [{ topic: 'a', data: '*', encoding: 'base64' }, 'invalid_data'],
    [{ topic: 'a', data: '\ud800' }, 'invalid_data'],
    [{ topic: 'a' }, 'invalid_request'],
    [{ topic: 'a', data: 7 }, 'invalid_data'],
    [{ topic: 'a', data: 'x', extra: true }, 'invalid_request'],
    [{ topic: 'a', data: 'x'.repeat(2_000) }, 'message_too_large'],
  ])('refuses %j with the code %s and stores nothing', async (fields, code) => {
    const { rest, open } = await setUp({ maxMessageBytes: 1_000 })
    const client = await open()
    client.send({ type: 'publish', id: 1, ...fields })
    expect(await client.expect('error')).toMatchObject({ id: 1, code })
    expect(await rest.history('topic=%3E')).toEqual([])
  })
})

test('an idempotency key publishes once, and repeats the answer', async () => {
  const { open } = await setUp()
  const client = await open('?topic=orders')
  const frame = { type: 'publish', topic: 'orders', data: 'once', idempotencyKey: 'order-17' }
  client.send({ ...frame, id: 1 })
  const first = await client.expect('published', ({ id }) => id === 1)
  client.send({ ...frame, id: 2 })
  const again = await client.expect('published', ({ id }) => id === 2)
  expect(again).toEqual({ ...first, id: 2, replayed: true })
  client.send({ ...frame, id: 3, data: 'twice' })
  expect(await client.expect('error')).toMatchObject({ id: 3, code: 'idempotency_key_reused' })
  client.send({ ...frame, id: 4, idempotencyKey: '' })
  expect(await client.expect('error', ({ id }) => id === 4)).toMatchObject({ code: 'invalid_request' })
  expect(dataOf(client)).toEqual(['once'])
})

test('ping is answered', async () => {
  const { open } = await setUp()
  const client = await open()
  client.send({ type: 'ping', id: 'p' })
  expect(await client.expect('pong')).toEqual({ type: 'pong', id: 'p' })
})

test('tells what happens to peers to those who asked', async () => {
  const pair = await memoryPair({})
  onTestFinished(() => pair.stop())
  const client = await openStream(pair.subject.url)
  onTestFinished(() => client[Symbol.asyncDispose]())
  client.send({ type: 'subscribe', subscription: 'network', peers: true })
  await client.expect('subscribed')
  const { peerId } = await pair.other.node()
  await createRest(pair.subject.url).call('DELETE', `/v1/peers/${peerId}`)
  const gone = await client.expect('peer')
  expect(gone).toMatchObject({ event: 'disconnect', subscription: 'network', peer: { peerId, state: 'known' } })
})

describe('a client that speaks something else', () => {
  test.each([
    ['not JSON', 'hello', 'invalid_json'],
    ['an array', '[]', 'invalid_frame'],
    ['null', 'null', 'invalid_frame'],
    ['an object without a type', '{"id": 1}', 'invalid_frame'],
    ['a type that is no string', '{"type": 1}', 'invalid_frame'],
  ])('is told so and closed with 4500: %s', async (_, text, code) => {
    const { open } = await setUp()
    const client = await open()
    client.socket.send(text)
    expect(await client.expect('error')).toMatchObject({ code })
    expect(await client.closed).toBe(4500)
  })

  test('is told so and closed with 4500: a binary frame', async () => {
    const { open } = await setUp()
    const client = await open()
    client.socket.send(Buffer.from('{"type":"ping"}'))
    expect(await client.expect('error')).toMatchObject({ code: 'invalid_frame' })
    expect(await client.closed).toBe(4500)
  })

  test('is told so and kept: an unknown frame type', async () => {
    const { open } = await setUp()
    const client = await open()
    client.send({ type: 'constructor', id: 3 })
    expect(await client.expect('error')).toMatchObject({ id: 3, code: 'unknown_frame_type' })
    client.send({ type: 'ping' })
    await client.expect('pong')
  })

  test('does not disturb the others', async () => {
    const { rest, open } = await setUp()
    const [good, bad] = [await open('?topic=a'), await open('?topic=a')]
    await good.expect('caught-up')
    bad.socket.send('{')
    await bad.closed
    await rest.publish('a', 'fine')
    await good.expect('message')
  })
})

describe('limits', () => {
  test('maxFrameBytes: a larger frame closes with 1009', async () => {
    const { open } = await setUp({ maxFrameBytes: 1_024 })
    const client = await open()
    client.send({ type: 'publish', topic: 'a', data: 'x'.repeat(2_000) })
    expect(await client.closed).toBe(1009)
  })

  test('maxSubscriptions: one more is refused, the same name is not', async () => {
    const { open } = await setUp({ maxSubscriptions: 2 })
    const client = await open()
    for (const subscription of ['1', '2', '2', '3']) client.send({ type: 'subscribe', subscription, topics: ['a'] })
    expect(await client.expect('error')).toMatchObject({ code: 'subscription_limit', subscription: '3' })
    expect(client.frames.filter(({ type }) => type === 'subscribed')).toHaveLength(3)
  })

  test('maxSubscriptionTopics: more are refused', async () => {
    const { open } = await setUp({ maxSubscriptionTopics: 2 })
    const client = await open()
    client.send({ type: 'subscribe', topics: ['a', 'b', 'c'] })
    expect(await client.expect('error')).toMatchObject({ code: 'subscription_limit' })
  })

  test('maxJoinedTopics: a subscription that would join one more is refused', async () => {
    const { open } = await setUp({ maxJoinedTopics: 1 })
    const client = await open()
    client.send({ type: 'subscribe', topics: ['a', 'b'] })
    expect(await client.expect('error')).toMatchObject({ code: 'topic_limit' })
  })

  test('maxStreamConnections: one more gets 503 and no upgrade', async () => {
    const { gateway, open } = await setUp({ maxStreamConnections: 1 })
    await open()
    await expect(openStream(gateway.url)).rejects.toThrow('503')
  })

  test('maxPendingFrames: a client that runs ahead is not read until its answers are out, and loses nothing', async () => {
    const { rest, open } = await setUp({ maxPendingFrames: 3 })
    const client = await open()
    for (let number = 0; number < 100; number++) client.send({ type: 'publish', topic: 'a', data: String(number) })
    await client.until(() => client.frames.filter(({ type }) => type === 'published').length === 100)
    expect(await rest.history('topic=a')).toHaveLength(100)
  })

  test('maxPendingFrameBytes: the same by the bytes of its frames', async () => {
    const { rest, open } = await setUp({ maxPendingFrameBytes: 1_024, maxRequestBytes: 1_024 })
    const client = await open()
    for (let number = 0; number < 50; number++) client.send({ type: 'publish', topic: 'a', data: 'x'.repeat(300_000) })
    await client.until(() => client.frames.filter(({ type }) => type === 'published').length === 50)
    expect(await rest.history('topic=a')).toHaveLength(50)
  })

  test('slowClientMs: a client that takes nothing is closed with 4000, whenever the heartbeat is', async () => {
    const { rest, open } = await setUp({ heartbeatMs: 600_000, slowClientMs: 100, maxSocketBufferBytes: 1_024 })
    const client = await open('?topic=a')
    await client.expect('caught-up')
    client.socket.pause()
    // More than the kernel keeps for a connection.
    await Promise.all(Array.from({ length: 40 }, () => rest.publish('a', 'x'.repeat(400_000))))
    await expect.poll(async () => (await rest.get<{ counts: { streams: number } }>('/v1/node')).counts.streams).toBe(0)
    client.socket.resume()
    // It never took the close frame either, unless the gateway still got it out.
    expect([4000, 1006]).toContain(await client.closed)
  })
})

describe('heartbeat', () => {
  test('tells a quiet subscription how far it may move, past what does not concern it', async () => {
    const { rest, open } = await setUp({ heartbeatMs: 20 })
    const client = await open('?topic=quiet')
    await client.expect('caught-up')
    const { cursor } = await rest.publish('busy', 'not for you')
    await client.expect('progress', (frame) => frame.cursor === cursor)
    expect(client.messages).toEqual([])
  })

  test('closes a client that answers nothing with 4001', async () => {
    const { open } = await setUp({ heartbeatMs: 20 })
    const client = await open()
    // The client's library answers pings by itself; this one is deaf.
    client.socket.pong = () => undefined
    expect(await client.closed).toBe(4001)
  })

  test('keeps a client when the gateway stands still for several heartbeats', async () => {
    const { open } = await setUp({ heartbeatMs: 50 })
    const client = await open('?topic=a')
    const progress = () => client.frames.filter(({ type }) => type === 'progress').length
    for (let round = 0; round < 3; round++) {
      const before = progress()
      standStill(300)
      await client.until(() => progress() > before + 1)
    }
    expect(client.socket.readyState).toBe(client.socket.OPEN)
  })

  test('keeps a client that only answers pings', async () => {
    const { open } = await setUp({ heartbeatMs: 250 })
    const client = await open('?topic=a')
    await client.until(() => client.frames.filter(({ type }) => type === 'progress').length >= 5)
    expect(client.socket.readyState).toBe(client.socket.OPEN)
  })
})

test('a stopping gateway answers what was asked, says closing, and closes with 4002', async () => {
  const { gateway, open } = await setUp()
  const client = await open('?topic=a')
  await client.expect('caught-up')
  client.send({ type: 'publish', id: 1, topic: 'a', data: 'last words' })
  await client.expect('published')
  const stopped = gateway.stop()
  const closing = await client.expect('closing')
  expect(closing).toMatchObject({ reason: 'draining', retryAfterMs: expect.any(Number) })
  expect(await client.closed).toBe(4002)
  await stopped
})

test('a frame with the data that JSON makes longest is within the size that docs/stream-protocol.md tells client libraries', async () => {
  const { gateway, open } = await setUp({ maxMessageBytes: 20_000 })
  const { peerId } = await gateway.node()
  const client = await open()
  const sizes = new Map<string, number>()
  client.socket.on('message', (raw: Buffer) => sizes.set(JSON.parse(raw.toString()).type, raw.length))
  const topic = '"'.repeat(256)
  const data = '\u0001'.repeat(20_000)
  const subscription = '"'.repeat(128)
  client.send({ type: 'subscribe', subscription, topics: [topic] })
  client.send({ type: 'serve', service: 'echo' })
  client.send({ type: 'publish', topic, data })
  client.send({ type: 'request', id: '"'.repeat(128), to: peerId, service: 'echo', data })
  const { requestId } = await client.expect('request')
  client.send({ type: 'reply', requestId, data })
  await client.expect('response')
  await client.expect('message')
  const { limits } = await client.expect('welcome')
  const { maxMessageBytes = 0 } = limits
  for (const type of ['message', 'request', 'response']) expect(sizes.get(type), type).toBeGreaterThan(6 * maxMessageBytes)
  expect(Math.max(...sizes.values())).toBeLessThan(6 * maxMessageBytes + 65_536)
})
