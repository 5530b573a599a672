import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { DialFailed } from '../../../src/errors.ts'
import type { SignedMessage } from '../../../src/model/signed-message.ts'
import { messageId } from '../../../src/model/signed-message.ts'
import { holdDeadlines } from '../../fixtures/held-deadlines.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { muteTcpWay } from '../../fixtures/mute-way.ts'
import { type StockNode, stockNode } from '../../fixtures/stock-node.ts'

/** Each limit of the libp2p engine, made small enough to bite. */

const signal = AbortSignal.timeout(600_000)

async function addressOf(engine: P2PEngine): Promise<string> {
  const [address = ''] = await engine.multiaddrs()
  return address
}

async function link(from: P2PEngine, to: P2PEngine, topic?: string): Promise<void> {
  await from.dial(await addressOf(to), { source: 'rest', signal })
  if (topic !== undefined) await expect.poll(() => from.subscribers(topic)).toContain(to.peerId)
}

async function dialFrom(node: StockNode, engine: P2PEngine): Promise<Connection> {
  return await node.dial(multiaddr(await addressOf(engine)))
}

async function publish(engine: P2PEngine, ...payloads: (string | Uint8Array)[]): Promise<number[]> {
  return await engine.send(await engine.sign(payloads.map((data) => ({ topic: 'orders', data: Buffer.from(data) }))))
}

/** What a subscribed engine was given, by the first bytes of each message. */
function recorder(answer: (text: string) => Promise<void> | void = () => undefined) {
  const texts: string[] = []
  return {
    texts,
    async onMessage({ data }: SignedMessage): Promise<'accept'> {
      const text = Buffer.from(data.subarray(0, 20)).toString()
      texts.push(text)
      await answer(text)
      return 'accept'
    },
  }
}

test('maxMessageBytes: a larger message of a peer is ignored, one of that size is not', async () => {
  const inbound = recorder()
  const small = await startedLibp2pEngine({ limits: { maxMessageBytes: 1_000 }, inbound })
  const large = await startedLibp2pEngine()
  await small.subscribe('orders')
  await link(large, small, 'orders')
  await publish(large, `over ${'x'.repeat(996)}`, `just ${'x'.repeat(995)}`)
  await expect.poll(() => inbound.texts.length).toBe(1)
  expect(inbound.texts[0]).toMatch(/^just/)
})

test('the largest message of the default passes', async () => {
  const inbound = recorder()
  const [a, b] = [await startedLibp2pEngine(), await startedLibp2pEngine({ inbound })]
  await b.subscribe('orders')
  await link(a, b, 'orders')
  expect(await publish(a, Buffer.alloc(1_048_576, 'y'))).toEqual([1])
  await expect.poll(() => inbound.texts.length).toBe(1)
})

test('maxConnections: one more is refused in both directions, and the others stay', async () => {
  const engine = await startedLibp2pEngine({ limits: { maxConnections: 2 } })
  const [a, b, c] = [await startedLibp2pEngine(), await startedLibp2pEngine(), await startedLibp2pEngine()]
  await link(a, engine)
  await link(engine, b)
  await expect.poll(async () => (await engine.peers()).length).toBe(2)
  await expect(engine.dial(await addressOf(c), { source: 'rest', signal })).rejects.toThrow(/PEERGATE_MAX_CONNECTIONS, 2 links/)
  await c.dial(await addressOf(engine), { source: 'rest', signal }).catch((error: unknown) => expect(error).toBeInstanceOf(DialFailed))
  await expect.poll(() => c.peers()).toEqual([])
  expect((await engine.peers()).map(({ peerId }) => peerId).toSorted()).toEqual([a.peerId, b.peerId].toSorted())
})

test('maxConnections: a configured peer has a link beyond it, another peer does not', async () => {
  const [kept, other, third] = [await startedLibp2pEngine(), await startedLibp2pEngine(), await startedLibp2pEngine()]
  const bootstrap = [await addressOf(kept)]
  await kept.stop()
  const engine = await startedLibp2pEngine({ limits: { maxConnections: 1 }, bootstrap })
  await link(other, engine)
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  await kept.start()
  await link(kept, engine)
  await third.dial(await addressOf(engine), { source: 'rest', signal }).catch(() => undefined)
  await expect.poll(() => third.peers()).toEqual([])
  expect((await engine.peers()).map(({ peerId }) => peerId).toSorted()).toEqual([kept.peerId, other.peerId].toSorted())
})

test('maxInboundConnectionsPerAddress: a flood from one address is cut off', async () => {
  const engine = await startedLibp2pEngine({ limits: { maxInboundConnectionsPerAddress: 3 } })
  const nodes = await Promise.all(Array.from({ length: 8 }, stockNode))
  const dials = await Promise.allSettled(nodes.map((node) => dialFrom(node, engine)))
  expect(dials.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0)
  expect((await engine.peers()).length).toBeLessThanOrEqual(3)
})

test('maxStreamsPerConnection: a further stream of a peer is reset', async () => {
  const engine = await startedLibp2pEngine({ limits: { maxStreamsPerConnection: 10 } })
  const connection = await dialFrom(await stockNode(), engine)
  // Below the protocols, which have limits of their own: streams that never say what they are for.
  const muxer: { createStream(): Promise<Stream> } = Reflect.get(connection, 'muxer')
  const streams = await Promise.all(Array.from({ length: 20 }, () => muxer.createStream()))
  await expect.poll(() => streams.filter(({ status }) => status === 'reset').length).toBeGreaterThanOrEqual(10)
  expect(streams.filter(({ status }) => status === 'open').length).toBeGreaterThan(0)
  expect(connection.status).toBe('open')
})

test('maxStreamsPerConnection: as many may come before this end has finished its handshake', async () => {
  const engine = await startedLibp2pEngine({ limits: { maxStreamsPerConnection: 100 }, listen: ['/ip4/127.0.0.1/tcp/0'] })
  const node = await stockNode()
  const opened = Promise.withResolvers<Stream[]>()
  node.addEventListener('connection:open', ({ detail }) => {
    const muxer: { createStream(): Promise<Stream> } = Reflect.get(detail, 'muxer')
    opened.resolve(Promise.all(Array.from({ length: 50 }, () => muxer.createStream())))
  })
  const connection = await dialFrom(node, engine)
  const streams = await opened.promise
  await expect.poll(async () => (await engine.peers())[0]?.agent ?? null).not.toBe(null)
  expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 'open'))
  expect(connection.status).toBe('open')
})

test('silentLinkMs: a time that is no multiple of three keeps the links of peers that answer', async () => {
  const limits = { silentLinkMs: 5_000 }
  const [engine, other] = [await startedLibp2pEngine({ limits }), await startedLibp2pEngine({ limits })]
  await link(engine, other)
  // Pings have been answered.
  await expect.poll(async () => (await engine.peers()).map(({ latencyMs }) => latencyMs)).toEqual([expect.any(Number)])
})

test('silentLinkMs: a peer of which nothing comes any more is cut', async () => {
  const engine = await startedLibp2pEngine({ limits: { silentLinkMs: 600 } })
  const node = await stockNode()
  const address = await addressOf(engine)
  const way = await muteTcpWay(Number(/\/tcp\/(\d+)/.exec(address)?.[1]))
  await node.dial(multiaddr(address.replace(/\/tcp\/\d+/, `/tcp/${way.port}`)))
  await expect.poll(async () => (await engine.peers()).length).toBe(1)
  way.mute()
  await expect.poll(() => engine.peers()).toEqual([])
})

test('maxPeerSubscriptionBytes: further subscriptions of a peer are not taken note of', async () => {
  const engine = await startedLibp2pEngine({ limits: { maxPeerSubscriptionBytes: 16_384 } })
  const node = await stockNode()
  const topics = Array.from({ length: 200 }, (_, index) => `topic-${index}`)
  for (const topic of topics) node.services.pubsub.subscribe(topic)
  await dialFrom(node, engine)
  const noted = async () => (await Promise.all(topics.map((topic) => engine.subscribers(topic)))).flat().length
  await expect.poll(noted).toBeGreaterThan(0)
  // All came in one announcement: what is not there now was refused.
  expect(await noted()).toBeLessThan(50)
})

test.each([
  ['subscriptions', 2_000, (count: number) => ({ subscriptions: names(count).map((topic) => ({ subscribe: true, topic })) })],
  ['messages', 5_000, (count: number) => ({ messages: names(count).map((topic) => ({ topic })) })],
  [
    'ids of a gossip',
    5_000,
    (count: number) => ({ control: { ihave: [{ topicID: 'orders', messageIDs: names(count).map((id) => Buffer.from(id)) }] } }),
  ],
])('fields of an RPC: one with more %s than the limit is dropped whole', async (_, most, rpcOf) => {
  const engine = await startedLibp2pEngine()
  const node = await stockNode()
  await dialFrom(node, engine)
  const send = (rpc: object): boolean => Reflect.get(node.services.pubsub, 'sendRpc').call(node.services.pubsub, engine.peerId, rpc)
  const withTopic = (count: number, topic: string) => {
    const rpc = { subscriptions: [], ...rpcOf(count) }
    return { ...rpc, subscriptions: [{ subscribe: true, topic }, ...rpc.subscriptions] }
  }
  await expect.poll(() => send({ subscriptions: [{ subscribe: true, topic: 'first' }] })).toBe(true)
  await expect.poll(() => engine.subscribers('first')).toEqual([node.peerId.toString()])
  send(withTopic(most + 1, 'dropped'))
  send({ subscriptions: [{ subscribe: true, topic: 'taken' }] })
  await expect.poll(() => engine.subscribers('taken')).toEqual([node.peerId.toString()])
  expect(await engine.subscribers('dropped')).toEqual([])
})

test('validateTimeoutMs: a message whose verdict comes too late is not forwarded', async () => {
  const validateTimeoutMs = 5_003
  const endWaits = holdDeadlines(validateTimeoutMs)
  const late = Promise.withResolvers<void>()
  const judge = recorder((text) => (text === 'late' ? late.promise : undefined))
  const inbound = recorder()
  const a = await startedLibp2pEngine()
  const b = await startedLibp2pEngine({ limits: { validateTimeoutMs }, inbound: judge })
  const c = await startedLibp2pEngine({ inbound })
  await b.subscribe('orders')
  await c.subscribe('orders')
  await link(a, b, 'orders')
  await link(b, c, 'orders')
  await publish(a, 'late')
  await expect.poll(() => judge.texts).toEqual(['late'])
  endWaits()
  late.resolve()
  await publish(a, 'in time')
  await expect.poll(() => inbound.texts).toEqual(['in time'])
})

test('maxPubsubBufferBytes: a peer that does not read costs no more than that, is told as behind, and is fed again when it reads', async () => {
  const engine = await startedLibp2pEngine({ limits: { maxPubsubBufferBytes: 262_144, maxStreamBufferBytes: 262_144 } })
  const behind: string[] = []
  let hasRoom = 0
  engine.listen((event) => {
    if (event.type === 'peer:behind') behind.push(event.since)
    if (event.type === 'peer:room') hasRoom++
  })
  const node = await stockNode()
  const heard: string[] = []
  node.services.pubsub.addEventListener('message', ({ detail }) => heard.push(Buffer.from(detail.data.subarray(0, 5)).toString()))
  node.services.pubsub.subscribe('orders')
  const connection = await dialFrom(node, engine)
  await expect.poll(() => engine.subscribers('orders')).toEqual([node.peerId.toString()])
  const socket = socketOf(connection)
  socket.pause()
  const data = (text: string) => Buffer.from(text.padEnd(65_536, 'x'))
  const signed = await engine.sign(Array.from({ length: 512 }, (_, index) => ({ topic: 'orders', data: data(String(index).padStart(5)) })))
  // 32 MiB: several times what the kernel holds of a loopback connection.
  const recipients = await engine.send(signed)
  const first = signed[recipients.indexOf(0)]
  expect(behind).toEqual([first === undefined ? '' : messageId(first.from, first.sequence)])
  const other = await engine.sign([{ topic: 'orders', data: data('other') }])
  expect(await engine.send(other)).toEqual([0])
  socket.resume()
  let next = recipients.indexOf(0)
  // Each part has the time of a condition: all of them take longer than that on a busy machine.
  for (let part = 0; next < 512; next += part) {
    const sendPart = async () => {
      part = (await engine.stragglers?.send(node.peerId.toString(), signed.slice(next))) ?? 0
      return part
    }
    await expect.poll(sendPart).toBeGreaterThan(0)
  }
  expect(next).toBe(512)
  expect(hasRoom).toBeGreaterThan(0)
  // Something was kept from it meanwhile.
  expect(engine.stragglers?.settle(node.peerId.toString())).toBe(false)
  // The last of those before may still be in its stream.
  await expect.poll(() => engine.stragglers?.send(node.peerId.toString(), other)).toBe(1)
  expect(engine.stragglers?.settle(node.peerId.toString())).toBe(true)
  expect(await publish(engine, 'after')).toEqual([1])
  await expect.poll(() => heard).toEqual([...signed.keys()].map((index) => String(index).padStart(5)).concat('other', 'after'))
})

/** The TCP socket under a connection of a stock node. */
function socketOf(connection: Connection): { pause(): void; resume(): void } {
  const seen = new Set<unknown>()
  const queue: unknown[] = [connection]
  for (const object of queue) {
    if (typeof object !== 'object' || object === null || seen.has(object)) continue
    seen.add(object)
    if ('remotePort' in object && 'pause' in object && 'resume' in object) return Object(object)
    queue.push(...Object.values(object))
  }
  throw new Error('no socket under the connection')
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `name ${index}`)
}
