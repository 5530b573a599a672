import { once } from 'node:events'
import { decode, encode } from 'cborg'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { cborCodec } from '../../src/stream/codec.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createRest } from '../fixtures/rest.ts'

async function setUp(subprotocols = ['peergate.v1.cbor']) {
  const gateway = await memoryGateway(createMemoryNetwork())
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream`, subprotocols)
  const frames: Array<Record<string, unknown>> = []
  socket.on('message', (raw: Buffer, binary) => frames.push(binary ? decode(raw) : { text: raw.toString() }))
  const closed = once(socket, 'close').then(([code]) => code)
  onTestFinished(async () => {
    socket.terminate()
    await gateway.stop()
  })
  await once(socket, 'open')
  return {
    socket,
    frames,
    closed,
    rest: createRest(gateway.url),
    send: (frame: unknown) => socket.send(encode(frame)),
    async expect(type: string): Promise<Record<string, unknown>> {
      const find = () => frames.find((frame) => frame['type'] === type)
      await expect.poll(find).toBeDefined()
      return find() ?? {}
    },
  }
}

const bytes = Uint8Array.from([0, 255, 128, 10])

test('carries the same frames, with data as byte strings', async () => {
  const client = await setUp()
  expect(client.socket.protocol).toBe('peergate.v1.cbor')
  await client.expect('welcome')
  client.send({ type: 'subscribe', id: 1, topics: ['orders'], subscription: 's' })
  await client.expect('caught-up')
  client.send({ type: 'publish', id: 2, topic: 'orders', data: bytes })
  const published = await client.expect('published')
  expect(published).toMatchObject({ id: 2 })
  const { subscription, message } = await client.expect('message')
  expect([subscription, message]).toMatchObject(['s', { id: published['messageId'], cursor: published['cursor'], data: bytes }])
  expect(message).not.toHaveProperty('encoding')
  const { body } = await client.rest.call('GET', `/v1/messages/${String(published['messageId'])}`)
  const { data, encoding, ...inJson } = Object(body)
  expect(message).toEqual({ ...inJson, data: bytes })
  expect([data, encoding]).toEqual(['AP+ACg==', 'base64'])
})

test('carries what a consumer hands out with data as byte strings', async () => {
  const client = await setUp()
  await client.rest.call('PUT', '/v1/consumers/c', { topics: ['orders'] })
  client.send({ type: 'subscribe', consumer: 'c' })
  client.send({ type: 'publish', topic: 'orders', data: bytes })
  const { message } = await client.expect('message')
  expect(message).toMatchObject({ topic: 'orders', data: bytes })
  expect(message).not.toHaveProperty('encoding')
})

test('takes data as text and as a JSON value too, but bytes only without an encoding', async () => {
  const client = await setUp()
  client.send({ type: 'subscribe', topics: ['orders'] })
  client.send({ type: 'publish', id: 1, topic: 'orders', data: 'AP+ACg==', encoding: 'base64' })
  expect((await client.expect('message'))['message']).toMatchObject({ data: bytes })
  client.send({ type: 'publish', id: 3, topic: 'orders', data: [1, { text: 'é' }], encoding: 'json' })
  const messages = () => client.frames.flatMap(({ message }) => message ?? [])
  await expect.poll(messages).toMatchObject([{ data: bytes }, { data: Uint8Array.from(Buffer.from('[1,{"text":"é"}]')) }])
  client.send({ type: 'publish', id: 2, topic: 'orders', data: bytes, encoding: 'base64' })
  expect(await client.expect('error')).toMatchObject({ id: 2, code: 'invalid_request', errors: [{ path: '/encoding' }] })
})

test('has JSON of others as the bytes of its text', async () => {
  const client = await setUp()
  client.send({ type: 'serve', service: 'prices', encoding: 'json' })
  await client.expect('serving')
  const path = `/v1/peers/${String((await client.expect('welcome'))['peerId'])}/requests/prices`
  const answer = client.rest.call('POST', path, { data: '[1.0]' })
  const { requestId, ...request } = await client.expect('request')
  expect(request).toMatchObject({ data: Uint8Array.from(Buffer.from('[1.0]')) })
  expect(request).not.toHaveProperty('encoding')
  client.send({ type: 'reply', requestId, data: Uint8Array.from(Buffer.from('[2]')) })
  expect(await answer).toMatchObject({ body: { data: '[2]', encoding: 'utf8' } })
})

test('the first subprotocol that is known is taken', async () => {
  const client = await setUp(['other', 'peergate.v1.json', 'peergate.v1.cbor'])
  expect(client.socket.protocol).toBe('peergate.v1.json')
  await expect.poll(() => client.frames[0]).toHaveProperty('text')
})

test.each([
  ['text', '{"type":"ping"}'],
  ['no CBOR', Buffer.from([0xff])],
  ['a text string', encode('ping')],
  ['a map without a type', encode({ id: 1 })],
  ['two frames', Buffer.concat([encode({ type: 'ping' }), encode({ type: 'ping' })])],
  ['a length that lies', Buffer.from([0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])],
  ['a million nested arrays', Buffer.alloc(1_000_000, 0x81)],
])('a client that sends something else is closed with 4500: %s', async (_, raw) => {
  const client = await setUp()
  client.socket.send(raw)
  expect(await client.closed).toBe(4500)
  expect(client.frames.at(-1)).toMatchObject({ type: 'error', code: 'invalid_frame' })
})

test('any bytes are a frame or named as none', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (raw) => {
      expect(['frame', 'refused', 'bad']).toContain(cborCodec.read(Buffer.from(raw), true, () => undefined).kind)
    }),
    { numRuns: 2_000 },
  )
})
