import { once } from 'node:events'
import { decode } from 'cborg'
import { expect, onTestFinished, test } from 'vitest'
import { type ClientOptions, WebSocket } from 'ws'
import type { Limits } from '../../src/limits.ts'
import { closeCodes } from '../../src/stream/close-codes.ts'
import { gatewayWithTokens } from '../access/gateway-with-tokens.ts'
import { loopbackHttp, memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createRest } from '../fixtures/rest.ts'

async function setUp(streamCompression?: boolean, limits: Partial<Limits> = {}) {
  const gateway = await memoryGateway(createMemoryNetwork(), limits, createMemoryStore(), { streamCompression })
  onTestFinished(() => gateway.stop())

  async function open(options: ClientOptions = {}, subprotocol = 'peergate.v1.json') {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream?topic=orders`, subprotocol, options)
    onTestFinished(() => socket.terminate())
    const received: Buffer[] = []
    let wireBytes = 0
    socket.once('upgrade', ({ socket: wire }) => wire.on('data', (chunk: Buffer) => (wireBytes += chunk.length)))
    socket.on('message', (raw: Buffer) => received.push(raw))
    await once(socket, 'open')
    return {
      socket,
      /** The bytes that came over the wire up to this message of the log, and its data. */
      async message(parse: (raw: Buffer) => { type: string; message?: { data: string | Uint8Array } } = (raw) => JSON.parse(String(raw))) {
        const find = () => received.map(parse).find(({ type }) => type === 'message')
        await expect.poll(find).toBeDefined()
        return { data: Buffer.from(find()?.message?.data ?? '').toString(), wireBytes }
      },
    }
  }
  return { gateway, open, rest: createRest(gateway.url) }
}

const large = 'x'.repeat(100_000)

test('messages are compressed for clients that offer it, in both encodings, and whole for the others', async () => {
  const { open, rest } = await setUp(true)
  const json = await open()
  const cbor = await open({}, 'peergate.v1.cbor')
  const plain = await open({ perMessageDeflate: false })
  const smallWindow = await open({ perMessageDeflate: { serverMaxWindowBits: 9 } })
  expect([json, cbor, plain, smallWindow].map(({ socket }) => socket.extensions)).toEqual([
    'permessage-deflate',
    'permessage-deflate',
    '',
    'permessage-deflate',
  ])
  await rest.publish('orders', large)
  for (const client of [json, smallWindow, plain]) expect((await client.message()).data).toBe(large)
  expect((await cbor.message(decode)).data).toBe(large)
  expect((await json.message()).wireBytes).toBeLessThan(10_000)
  expect((await cbor.message(decode)).wireBytes).toBeLessThan(10_000)
  expect((await plain.message()).wireBytes).toBeGreaterThan(large.length)
  expect((await smallWindow.message()).wireBytes).toBeGreaterThan(large.length)
})

test('a client may send compressed frames too', async () => {
  const { open } = await setUp(true)
  const client = await open({ perMessageDeflate: { threshold: 0 } })
  client.socket.send(JSON.stringify({ type: 'publish', topic: 'orders', data: large }), { compress: true })
  expect((await client.message()).data).toBe(large)
})

test('a small compressed message that expands to a large one ends its connection, and no other', async () => {
  const { open, rest } = await setUp(true)
  const honest = await open()
  const hostile = await open()
  const closed = once(hostile.socket, 'close')
  hostile.socket.send(JSON.stringify({ type: 'publish', topic: 'orders', data: 'x'.repeat(100_000_000) }), { compress: true })
  expect((await closed)[0]).toBe(1009)
  await rest.publish('orders', 'on')
  expect((await honest.message()).data).toBe('on')
})

test('a compressed message costs what it expands to, and the first that is refused ends its connection', async () => {
  const { open } = await setUp(true, { tokenRate: 1, tokenBurst: 300 })
  const { socket, message } = await open({ perMessageDeflate: { threshold: 0 } })
  const closed = once(socket, 'close')
  const send = () => socket.send(JSON.stringify({ type: 'publish', topic: 'orders', data: 'x'.repeat(1_000_000) }), { compress: true })
  send()
  expect((await message()).data.length).toBe(1_000_000)
  send()
  expect((await closed)[0]).toBe(closeCodes.interrupted.code)
})

test('a token that may send only small messages may send none that expands to a large one', async () => {
  const { gateway, tokenFor } = await gatewayWithTokens({ http: { ...loopbackHttp, streamCompression: true } })
  const { secret } = await tokenFor(['read'])
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream`, {
    headers: { authorization: `Bearer ${secret}` },
    perMessageDeflate: { threshold: 0 },
  })
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  const closed = once(socket, 'close')
  socket.send(`{"type":"subscribe","topics":["orders"]${' '.repeat(1_000_000)}}`, { compress: true })
  expect((await closed)[0]).toBe(closeCodes.frameTooLarge.code)
})

test('by default nothing is compressed', async () => {
  const { open } = await setUp()
  expect((await open()).socket.extensions).toBe('')
})
