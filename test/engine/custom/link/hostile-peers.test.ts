import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { encode } from 'cborg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { subprotocol } from '../../../../src/engine/custom/link/establish.ts'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import { overlayFrameSchema } from '../../../../src/engine/custom/overlay/frames.ts'
import { type ControlFrame, encodeControl } from '../../../../src/engine/custom/wire/overlay-frame.ts'
import { encodeMessage } from '../../../../src/engine/custom/wire/pubsub-message.ts'
import type { P2PEngine } from '../../../../src/engine/engine.ts'
import { createMessageSigner } from '../../../../src/model/signed-message.ts'
import { customEngine, startedCustomEngine } from '../../../fixtures/custom-engine.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'
import { helloOf, openRawPeer, type RawPeer, webSocketUrl } from '../../../fixtures/raw-peer.ts'

type Sender = RawPeer['channel']

const signer = createMessageSigner((await createMemoryIdentity(Buffer.alloc(32, 7))).peerId, Buffer.alloc(32, 7))
const hop = Buffer.of(1)
const elsewhere = encodeMessage(signer.sign(1n, 'elsewhere', Buffer.of(1)))
const known = encodeMessage(signer.sign(2n, 'orders', Buffer.of(1)))

function numberOf(id: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(id)
  return bytes
}

const deadline = { dialTimeoutMs: 500 }

async function urlOf(engine: P2PEngine): Promise<string> {
  return webSocketUrl(await engine.multiaddrs())
}

async function openSocket(engine: P2PEngine, protocols = [subprotocol]): Promise<WebSocket> {
  const socket = new WebSocket(await urlOf(engine), protocols)
  socket.on('error', () => undefined)
  onTestFinished(() => socket.terminate())
  await once(socket, 'open')
  return socket
}

async function openChannel(engine: P2PEngine): Promise<RawPeer> {
  const peer = await openRawPeer(await urlOf(engine))
  onTestFinished(() => peer.socket.terminate())
  return peer
}

test('a socket that says nothing is cut at the deadline, before and after the upgrade', async () => {
  const engine = await startedCustomEngine({ limits: deadline })
  const { port, hostname } = new URL(await urlOf(engine))
  const silent: Socket = connect(Number(port), hostname)
  silent.on('error', () => undefined)
  silent.resume()
  const upgraded = await openSocket(engine)
  await Promise.all([once(silent, 'close'), once(upgraded, 'close')])
  expect(await engine.peers()).toEqual([])
})

test('silentLinkMs: a peer that was linked and is not heard any more is cut', async () => {
  const engine = await startedCustomEngine({ limits: { silentLinkMs: 300 } })
  const { channel, received, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(() => received).toContain(frameTypes.ping)
  await closed
  await expect.poll(() => engine.peers()).toEqual([])
})

test('a peer that is not read, since there is no room, is not taken for silent', async () => {
  const room = new Promise<void>(() => undefined)
  const engine = await startedCustomEngine({
    limits: { silentLinkMs: 300 },
    inbound: { onMessage: async () => 'accept', room: () => room },
  })
  const { channel, received } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(() => received.filter((type) => type === frameTypes.ping).length).toBeGreaterThan(5)
  expect(channel.isOpen).toBe(true)
  expect(await engine.peers()).toHaveLength(1)
})

test('a peer that causes more work than it may is not read for a while, and then is', async () => {
  const engine = await startedCustomEngine()
  const { channel, received } = await openChannel(engine)
  const other = await openChannel(engine)
  for (const each of [channel, other.channel]) each.write(frameTypes.hello, helloOf())
  await expect.poll(() => engine.peers()).toHaveLength(2)
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  for (let count = 1; count < 118; count++) channel.write(frameTypes.hello, helloOf())
  channel.write(frameTypes.ping, Buffer.alloc(8))
  other.channel.write(frameTypes.ping, Buffer.alloc(8))
  await expect.poll(() => other.received).toContain(frameTypes.pong)
  expect(received).not.toContain(frameTypes.pong)
  vi.advanceTimersByTime(2_000)
  await expect.poll(() => received).toContain(frameTypes.pong)
})

test('a peer that says hello without end is cut', async () => {
  const engine = await startedCustomEngine()
  const { channel, closed } = await openChannel(engine)
  for (let count = 0; count < 1_000; count++) channel.write(frameTypes.hello, helloOf())
  await closed
  await expect.poll(() => engine.peers()).toEqual([])
})

test('a peer that shakes hands and says no hello is cut at the deadline', async () => {
  const engine = await startedCustomEngine({ limits: deadline })
  const { closed } = await openChannel(engine)
  await closed
  expect(await engine.peers()).toEqual([])
})

test('who offers no subprotocol that is spoken here is told so', async () => {
  const engine = await startedCustomEngine()
  const socket = new WebSocket(await urlOf(engine))
  const [code, reason] = await once(socket, 'close')
  expect([code, String(reason)]).toEqual([1002, expect.stringContaining(subprotocol)])
})

test.each([
  ['a text message', (socket: WebSocket) => socket.send('hello')],
  ['another message than the handshake', (socket: WebSocket) => socket.send(Buffer.alloc(100, 1))],
  ['a message beyond any record', (socket: WebSocket) => socket.send(Buffer.alloc(65_536, 1))],
])('%s instead of the handshake ends the socket at once', async (_, say) => {
  const engine = await startedCustomEngine()
  const socket = await openSocket(engine)
  say(socket)
  await once(socket, 'close')
  expect(await engine.peers()).toEqual([])
})

test.each([
  ['a frame before the hello', (channel: Sender) => channel.write(frameTypes.ping, Buffer.alloc(8))],
  ['a hello of no version that is spoken here', (channel: Sender) => channel.write(frameTypes.hello, helloOf({ versions: [9] }))],
  ['a hello that is none', (channel: Sender) => channel.write(frameTypes.hello, Buffer.alloc(10))],
])('%s ends the link', async (_, say) => {
  const engine = await startedCustomEngine()
  const { channel, closed } = await openChannel(engine)
  say(channel)
  await closed
  expect(await engine.peers()).toEqual([])
})

test.each([
  ['a control frame that is none', (channel: Sender) => channel.write(frameTypes.control, Buffer.alloc(10))],
  ['a message that is none', (channel: Sender) => channel.write(frameTypes.message, Buffer.alloc(10))],
  ['a ping of another length', (channel: Sender) => channel.write(frameTypes.ping, Buffer.alloc(9))],
  ['a request that is none', (channel: Sender) => channel.write(frameTypes.request, Buffer.alloc(3))],
])('%s ends a link, and nothing else', async (_, say) => {
  const engine = await startedCustomEngine()
  const honest = await openChannel(engine)
  honest.channel.write(frameTypes.hello, helloOf({ instance: 'honest' }))
  const { channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(2)
  say(channel)
  await closed
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  honest.channel.write(frameTypes.ping, Buffer.alloc(8))
  await expect.poll(() => honest.received).toContain(frameTypes.pong)
})

test.each([
  ['a piece after its end', 'whole', ['']],
  ['more than it said', 'whole', ['!']],
  ['an empty piece', 'who', ['', 'le']],
])('a request whose body has %s is worked on once at most, and ends the link', async (_, first, more) => {
  const engine = await startedCustomEngine()
  let worked = 0
  const handler = async () => {
    worked++
    await new Promise(() => undefined)
    return new Uint8Array()
  }
  await engine.handle('/test/1', handler, { maxRequestBytes: 100, maxConcurrent: 1 })
  const { channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  const id = Buffer.from([0, 0, 0, 1])
  channel.write(frameTypes.request, encode({ id: 1, protocol: '/test/1', length: 5 }))
  for (const piece of [first, ...more]) channel.write(frameTypes.requestBody, id, Buffer.from(piece))
  await closed
  expect(worked).toBe(first === 'whole' ? 1 : 0)
})

test('a frame longer than any ends the link', async () => {
  const engine = await startedCustomEngine({ limits: { maxMessageBytes: 1_000 } })
  const { socket, channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  // The largest frame is 64 KiB at least.
  channel.write(frameTypes.message, Buffer.alloc(65_537))
  await closed
  expect(socket.readyState).not.toBe(socket.OPEN)
})

test('frames of a type that is not known yet are passed over', async () => {
  const engine = await startedCustomEngine()
  const { channel, received } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf({ later: true }))
  channel.write(200, Buffer.from('of a later version'))
  channel.write(frameTypes.ping, Buffer.alloc(8))
  await expect.poll(() => received).toContain(frameTypes.pong)
})

test('maxInboundConnectionsPerAddress: more new sockets of one address in a second are not taken', async () => {
  const engine = await startedCustomEngine({ limits: { maxInboundConnectionsPerAddress: 3 } })
  const url = await urlOf(engine)
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, () => {
      const socket = new WebSocket(url, [subprotocol])
      onTestFinished(() => socket.terminate())
      return Promise.race([once(socket, 'open').then(() => 'open'), once(socket, 'error').then(() => 'refused')]).catch(() => 'refused')
    }),
  )
  // A second may end in between.
  expect(outcomes.filter((outcome) => outcome === 'open').length).toBeLessThanOrEqual(6)
  expect(outcomes.filter((outcome) => outcome === 'open').length).toBeGreaterThanOrEqual(3)
})

test('maxConnections: one link more is refused, at either end, and a configured peer is not', async () => {
  const full = await startedCustomEngine({ limits: { maxConnections: 1 } })
  const [first, second] = [await startedCustomEngine(), await startedCustomEngine()]
  const signal = AbortSignal.timeout(20_000)
  const address = async (engine: P2PEngine) => (await engine.multiaddrs())[0] ?? ''
  await full.dial(await address(first), { source: 'rest', signal })
  await expect(full.dial(await address(second), { source: 'rest', signal })).rejects.toThrow(/PEERGATE_MAX_CONNECTIONS/)
  await second.dial(await address(full), { source: 'rest', signal }).catch(() => undefined)
  await expect.poll(async () => (await second.peers()).length).toBe(0)
  expect((await full.peers()).map(({ peerId }) => peerId)).toEqual([first.peerId])

  const keeps = await startedCustomEngine({ limits: { maxConnections: 1 }, bootstrap: [await address(second)] })
  await first.dial(await address(keeps), { source: 'rest', signal }).catch(() => undefined)
  await expect.poll(async () => (await keeps.peers()).map(({ peerId }) => peerId)).toContain(second.peerId)
})

test('maxPubsubBufferBytes: a neighbour that reads nothing is handed nothing more, until it reads again', async () => {
  const engine = await startedCustomEngine({ limits: { maxPubsubBufferBytes: 65_536 } })
  const { socket, channel } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  channel.write(frameTypes.control, encodeControl({ type: 'subscriptions', add: ['orders'], remove: [] }))
  await expect.poll(() => engine.subscribers('orders')).toHaveLength(1)
  const publish = async () => (await engine.send(await engine.sign([{ topic: 'orders', data: Buffer.alloc(65_536) }])))[0]
  expect(await publish()).toBe(1)
  socket.pause()
  let handed = 0
  // What the buffers of the two sockets take, some megabytes, is handed over all the same.
  while ((await publish()) === 1 && handed < 1_000) {
    handed++
    await nextTurn()
  }
  expect(handed).toBeLessThan(1_000)
  socket.resume()
  await expect.poll(publish).toBe(1)
})

test('a peer that sends requests which are refused, and does not read the refusals, is cut', async () => {
  const engine = await startedCustomEngine({ limits: { maxPubsubBufferBytes: 65_536 } })
  await engine.handle('/test/1', async () => new Uint8Array(), { maxRequestBytes: 1, maxConcurrent: 1 })
  const { socket, channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  socket.pause()
  for (let id = 0; id < 2_000_000 && channel.isOpen; id++) {
    channel.write(frameTypes.request, encode({ id, protocol: '/test/1', length: 100 }))
    if (id % 2_000 === 0) await nextTurn()
  }
  await expect.poll(() => engine.peers()).toEqual([])
  // By what waits for it, or by the refusals that it causes, whichever comes first.
  expect(engine.limitsReached.unread_link + engine.limitsReached.frame_flood).toBe(1)
  socket.resume()
  await closed
})

/** What is sent of each type; `whole` is what a peer says before, if that makes a difference. */
const floods: Array<[what: string, type: number, say: (channel: Sender, round: number) => void, whole?: (channel: Sender) => void]> = [
  ['hellos', frameTypes.hello, (channel) => channel.write(frameTypes.hello, helloOf())],
  ['messages of topics that nobody has here', frameTypes.message, (channel) => channel.write(frameTypes.message, hop, elsewhere)],
  ['one message, again and again', frameTypes.message, (channel) => channel.write(frameTypes.message, hop, known)],
  ['pings', frameTypes.ping, (channel) => channel.write(frameTypes.ping, Buffer.alloc(8))],
  ['pongs that nobody asked for', frameTypes.pong, (channel) => channel.write(frameTypes.pong, Buffer.alloc(8))],
  [
    'requests for protocols that are not spoken here',
    frameTypes.request,
    (channel, round) => channel.write(frameTypes.request, encode({ id: round, protocol: '/nobody', length: 0 })),
  ],
  [
    'requests that are refused',
    frameTypes.request,
    (channel, round) => channel.write(frameTypes.request, encode({ id: round, protocol: '/test/1', length: 100_000_000 })),
  ],
  [
    'requests that are cancelled at once',
    frameTypes.cancel,
    (channel, round) => {
      channel.write(frameTypes.request, encode({ id: round, protocol: '/test/1', length: 100 }))
      channel.write(frameTypes.cancel, numberOf(round))
    },
  ],
  [
    'requests that fail',
    frameTypes.requestBody,
    (channel, round) => {
      channel.write(frameTypes.request, encode({ id: round, protocol: '/test/1', length: 1 }))
      channel.write(frameTypes.requestBody, numberOf(round), Buffer.of(1))
    },
  ],
  [
    'a body in pieces of a byte',
    frameTypes.requestBody,
    (channel) => channel.write(frameTypes.requestBody, numberOf(1), Buffer.of(1)),
    (channel) => channel.write(frameTypes.request, encode({ id: 1, protocol: '/test/1', length: 10_000_000 })),
  ],
  ['bodies of no request', frameTypes.requestBody, (channel) => channel.write(frameTypes.requestBody, Buffer.alloc(4), Buffer.alloc(100))],
  ['answers to nothing', frameTypes.answer, (channel, round) => channel.write(frameTypes.answer, encode({ id: round, length: 9 }))],
  ['bodies of no answer', frameTypes.answerBody, (channel) => channel.write(frameTypes.answerBody, Buffer.alloc(4), Buffer.alloc(100))],
  ['cancels of nothing', frameTypes.cancel, (channel) => channel.write(frameTypes.cancel, Buffer.alloc(4))],
  [
    'circuits to nobody',
    frameTypes.circuit,
    (channel, round) => channel.write(frameTypes.circuit, encode({ type: 'open', id: round * 2, to: 'nobody' })),
  ],
  ['ends of no circuit', frameTypes.circuit, (channel) => channel.write(frameTypes.circuit, encode({ type: 'opened', id: 0 }))],
  ['data of no circuit', frameTypes.circuitData, (channel) => channel.write(frameTypes.circuitData, Buffer.alloc(4))],
  ['credit of no circuit', frameTypes.circuitCredit, (channel) => channel.write(frameTypes.circuitCredit, Buffer.alloc(8))],
  ['goodbyes', frameTypes.goodbye, (channel) => channel.write(frameTypes.goodbye, encode({ reason: 'full', retryAfterMs: 1_000 }))],
  ['frames of later versions', 200, (channel) => channel.write(200)],
  ...controlFrames().map((frame): (typeof floods)[number] => [
    `${frame.type} frames`,
    frameTypes.control,
    (channel) => channel.write(frameTypes.control, encodeControl(frame)),
    (channel) => channel.write(frameTypes.control, encodeControl({ type: 'subscriptions', add: ['orders'], remove: [] })),
  ]),
]

/** Each kind of control frame, as costly for its bytes as it can be. */
function controlFrames(): ControlFrame[] {
  const ids = Array.from({ length: 512 }, (_, index) => `a.${index % 10}`)
  const topics = Array.from({ length: 256 }, (_, index) => `t${index}`)
  const peer = { peerId: 'x', multiaddrs: [] }
  const peers = Array.from({ length: 16 }, () => ({ peer, topics: [] }))
  return [
    { type: 'subscriptions', add: topics, remove: topics },
    { type: 'join' },
    { type: 'forward-join', peer, hops: 8 },
    { type: 'neighbor', topic: 'orders', priority: 'high' },
    { type: 'neighbor-reply', accepted: true },
    { type: 'disconnect', topic: 'orders' },
    { type: 'shuffle', token: 'x', hops: 8, peers },
    { type: 'shuffle-reply', token: 'x', peers },
    { type: 'seek', token: 'x', topic: 'orders', hops: 8 },
    { type: 'found', token: 'x', topic: 'orders', peers: [peer] },
    { type: 'ihave', topic: 'orders', messages: ids.map((id) => ({ id, hops: 1 })) },
    { type: 'graft', topic: 'orders', ids },
    { type: 'graft', topic: 'orders', ids: [] },
    { type: 'beacon', topic: 'orders', round: 1, rank: 1 },
    { type: 'prune', topic: 'orders' },
  ]
}

test('every type of frame, and of control frame, is among the floods', () => {
  const types = new Set(floods.map(([, type]) => type))
  expect(Object.values(frameTypes).filter((type) => !types.has(type))).toEqual([])
  const kinds: string[] = overlayFrameSchema.options.map(({ shape }) => shape.type.value).filter((kind) => kind !== 'message')
  expect(new Set(controlFrames().map(({ type }) => `${type}`))).toEqual(new Set(kinds))
})

test.concurrent.for(floods)(
  'a peer that sends %s without end is cut, and one that sends some is not',
  { timeout: 120_000 },
  async (flood, { expect }) => {
    const [_what, type, say, whole] = flood
    const engine = await customEngine()
    engine.receive({ onMessage: async () => 'accept' })
    const failing = async () => await Promise.reject(new Error('no'))
    await engine.handle('/test/1', failing, { maxRequestBytes: 10_000_000, maxConcurrent: 1 })
    engine.subscribe('orders')
    await engine.start()
    try {
      const url = await urlOf(engine)
      using honest = await openRawPeer(url)
      honest.channel.write(frameTypes.hello, helloOf())
      // A goodbye is the last word of anybody.
      if (type !== frameTypes.goodbye) {
        whole?.(honest.channel)
        for (let round = 2; round < 7; round++) say(honest.channel, round)
      }
      using hostile = await openRawPeer(url)
      hostile.channel.write(frameTypes.hello, helloOf())
      whole?.(hostile.channel)
      for (let round = 2; hostile.channel.isOpen; ) {
        for (let count = 0; count < 200; count++) say(hostile.channel, round++)
        await hostile.channel.drained(65_536, AbortSignal.timeout(60_000))
        await nextTurn()
      }
      await hostile.closed
      // Who is avoided by the overlay, or has said goodbye, is cut for that.
      if (type !== frameTypes.control && type !== frameTypes.goodbye) await expect.poll(() => engine.limitsReached.frame_flood).toBe(1)
      honest.channel.write(frameTypes.ping, Buffer.alloc(8))
      await expect.poll(() => honest.received, { timeout: 10_000 }).toContain(frameTypes.pong)
      await expect.poll(async () => (await engine.peers()).map(({ peerId }) => peerId)).toEqual([honest.peerId])
    } finally {
      await engine.stop()
    }
  },
)

test.each([
  ['a hello', frameTypes.hello, 16_384],
  ['a control frame', frameTypes.control, 147_456],
  ['a ping', frameTypes.ping, 9],
  ['a request', frameTypes.request, 1_024],
  ['a piece of a body', frameTypes.requestBody, 65_541],
  ['an answer', frameTypes.answer, 256],
  ['a cancel', frameTypes.cancel, 5],
  ['a frame of a circuit', frameTypes.circuit, 1_024],
  ['a credit', frameTypes.circuitCredit, 9],
])('%s longer than any of its type ends the link before it has come', async (_, type, maxBytes) => {
  const engine = await startedCustomEngine()
  const { channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  channel.write(type, Buffer.alloc(maxBytes))
  await closed
  await expect.poll(() => engine.peers()).toEqual([])
})

test('a frame with more items of CBOR than any has ends the link', async () => {
  const engine = await startedCustomEngine()
  const { channel, closed } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  channel.write(frameTypes.control, encode({ type: 'graft', topic: 'orders', ids: Array<number>(100_000).fill(0) }))
  await closed
})

test.each([
  ['without a subprotocol', ''],
  ['with ours', `Sec-WebSocket-Protocol: ${subprotocol}\r\n`],
])('a malformed frame behind an upgrade %s ends its socket, and nothing else', async (_, field) => {
  const engine = await startedCustomEngine({ limits: { maxInboundConnectionsPerAddress: 1_000 } })
  const { hostname, port } = new URL(await urlOf(engine))
  const upgrade = `GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${field}\r\n`
  const malformed = Buffer.from([0x83, 0x00])
  const closed = Array.from({ length: 20 }, async (_each, round) => {
    const socket = connect(Number(port), hostname)
    socket.on('error', () => undefined)
    const ended = once(socket, 'close')
    // In one packet with the upgrade, and behind its answer.
    if (round % 2 === 0) socket.write(Buffer.concat([Buffer.from(upgrade), malformed]))
    else {
      socket.write(upgrade)
      await once(socket, 'data')
      socket.write(malformed)
    }
    socket.resume()
    await ended
  })
  await Promise.all(closed)
  const { channel, received } = await openChannel(engine)
  channel.write(frameTypes.hello, helloOf())
  channel.write(frameTypes.ping, Buffer.alloc(8))
  await expect.poll(() => received).toContain(frameTypes.pong)
})
