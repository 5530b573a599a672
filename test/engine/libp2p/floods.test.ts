import { randomBytes } from 'node:crypto'
import type { MessageStream } from '@libp2p/interface'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { FrameFlood } from '../../../src/engine/frame-flood.ts'
import { createGossipBudget } from '../../../src/engine/libp2p/gossip/gossip-budget.ts'
import { type HostileLibp2pPeer, hostileLibp2pPeer } from '../../fixtures/hostile-libp2p-peer.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { field, sized } from '../../fixtures/protobuf.ts'
import { yamuxFlags, yamuxFrames, yamuxTypes } from '../../fixtures/yamux-frames.ts'

async function attacked(): Promise<{ engine: P2PEngine; honest: HostileLibp2pPeer; hostile: HostileLibp2pPeer }> {
  const engine = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  const [address = ''] = await engine.multiaddrs()
  const [honest, hostile] = [await hostileLibp2pPeer(address), await hostileLibp2pPeer(address)]
  await expect.poll(async () => (await engine.peers()).length).toBe(2)
  return { engine, honest, hostile }
}

/** Sends the same again and again, as the other end takes it, until the connection ends. */
async function sendAll(stream: MessageStream, bytes: Uint8Array, times: number): Promise<void> {
  try {
    for (let sent = 0; sent < times && stream.status === 'open'; sent++) {
      if (!stream.send(bytes)) await stream.onDrain({ signal: AbortSignal.timeout(60_000) })
    }
  } catch {
    // It was cut meanwhile.
  }
}

/** The connection below the encrypted one, which has no other name. */
const socketOf = ({ below }: HostileLibp2pPeer): MessageStream => Reflect.get(below, 'stream')

/** Records of Noise (https://github.com/libp2p/specs/tree/master/noise#wire-format) whose plain text is empty. */
function emptyRecords({ below }: HostileLibp2pPeer, count: number): Buffer {
  const handshake: { encrypt(plain: Uint8Array): { subarray(): Uint8Array } } = Reflect.get(below, 'handshake')
  return Buffer.concat(
    Array.from({ length: count }, () => {
      const record = handshake.encrypt(new Uint8Array()).subarray()
      return Buffer.concat([Buffer.of(record.length >> 8, record.length & 255), record])
    }),
  )
}

const { data, windowUpdate, ping } = yamuxTypes
const unknownStreams = (index: number) => 100_001 + 2 * index

describe('frames of yamux that ask for nothing', () => {
  // No time passes in which a budget grows, so what is too much does not depend on how fast this machine is.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
  afterEach(() => void vi.useRealTimers())

  test.each<[kind: string, frames: Parameters<typeof yamuxFrames>[1], some: number, tooMany: number]>([
    ['pings', { type: ping, flag: yamuxFlags.syn, length: 1 }, 500, 2_000],
    ['openings of streams', { type: windowUpdate, flag: yamuxFlags.syn, streamOf: unknownStreams }, 1_000, 8_000],
    ['window updates of streams that are not there', { type: windowUpdate, length: 1, streamOf: unknownStreams }, 10_000, 40_000],
    ['data of streams that are not there', { type: data, length: 1, streamOf: unknownStreams }, 10_000, 40_000],
    ['much data of streams that are not there', { type: data, length: 100_000, streamOf: unknownStreams }, 100, 1_600],
    ['empty data', { type: data, streamOf: unknownStreams }, 10_000, 40_000],
  ])('%s: who sends them without end is cut, and who sends some is not', async (_kind, frames, some, tooMany) => {
    const { engine, honest, hostile } = await attacked()
    honest.deafen()
    hostile.deafen()
    const parts = 20
    await sendAll(honest.below, yamuxFrames(some / parts, frames), parts)
    await sendAll(hostile.below, yamuxFrames(tooMany / parts, frames), parts)
    await expect.poll(async () => (await engine.peers()).length).toBe(1)
    expect(engine.limitsReached.frame_flood).toBe(1)
    expect(honest.below.status).toBe('open')
  })

  test('data of a byte each: who sends it without end is cut, and who sends some is not', async () => {
    const { engine, honest, hostile } = await attacked()
    for (const [{ connection, below }, count] of [
      [honest, 10_000],
      [hostile, 40_000],
    ] as const) {
      const stream = await connection.newStream(['/meshsub/1.1.0'])
      // The length of an RPC of 2 MiB.
      stream.send(Buffer.of(0xff, 0xff, 0x7f))
      await sendAll(below, yamuxFrames(count / 20, { type: data, length: 1, streamOf: () => Number(stream.id) }), 20)
    }
    await expect.poll(async () => (await engine.peers()).length).toBe(1)
    expect(engine.limitsReached.frame_flood).toBe(1)
    expect(honest.below.status).toBe('open')
  })

  test('encrypted records with nothing in them: who sends them without end is cut, and who sends some is not', async () => {
    const { engine, honest, hostile } = await attacked()
    await sendAll(socketOf(honest), emptyRecords(honest, 10_000), 1)
    for (let part = 0; part < 20; part++) await sendAll(socketOf(hostile), emptyRecords(hostile, 2_000), 1)
    await expect.poll(async () => (await engine.peers()).length).toBe(1)
    expect(engine.limitsReached.frame_flood).toBe(1)
    expect(honest.below.status).toBe('open')
  })

  test('a frame that is longer than any window is not kept until it is whole', async () => {
    const { engine, hostile } = await attacked()
    const head = yamuxFrames(1, { type: windowUpdate, length: 100_000_000, streamOf: unknownStreams })
    head.writeUInt8(data, 1)
    hostile.below.send(head)
    await sendAll(hostile.below, Buffer.alloc(1_000_000), 10)
    await expect.poll(async () => (await engine.peers()).length).toBe(1)
  })
})

const topics = (count: number) => Array.from({ length: count }, (_, index) => `topic ${index}`)
const ids = (number: number, count: number) => Buffer.concat(Array.from({ length: count }, () => field(number, randomBytes(46))))
const subscribe = (topic: string) => field(1, Buffer.concat([Buffer.of(8, 1), field(2, topic)]))
const subscriptions = (count: number) => Buffer.concat(topics(count).map(subscribe))
const control = (...parts: Buffer[]) => field(3, Buffer.concat(parts))
const graft = (topic: string) => field(3, field(1, topic))
const prune = (topic: string) => field(4, field(1, topic))
const have = (topic: string, count: number) => field(1, Buffer.concat([field(1, topic), ids(2, count)]))
const want = (count: number) => field(2, ids(1, count))
const wantNot = (count: number) => field(5, ids(1, count))
const message = (bytes: number) =>
  field(
    2,
    Buffer.concat([
      field(1, randomBytes(38)),
      field(2, randomBytes(bytes)),
      field(3, randomBytes(8)),
      field(4, 'x'),
      field(5, randomBytes(64)),
    ]),
  )

describe('gossip that brings nothing', () => {
  test.each<[kind: string, rpc: Buffer, tooMany: number]>([
    ['RPCs with nothing in them', Buffer.alloc(0), 100_000],
    ['subscriptions', subscriptions(1_900), 500],
    ['more subscriptions than are taken', subscriptions(3_000), 500],
    ['ids of messages that it has', control(have('x', 5_000)), 100],
    ['ids of messages that it wants', control(want(5_000)), 100],
    ['ids of messages that it does not want', control(wantNot(500)), 1_000],
    ['grafts and prunes', control(graft('x'), prune('x')), 60_000],
    ['messages that nobody has signed, of a topic that nobody has', message(100), 50_000],
    ['bytes that are no RPC', randomBytes(100_000).fill(0xff, 0, 10), 1_000],
  ])('%s: who sends them without end is cut, and another peer is not', async (_kind, rpc, tooMany) => {
    const { engine, hostile } = await attacked()
    const stream = await hostile.connection.newStream(['/meshsub/1.1.0'])
    const parts = 50
    await sendAll(stream, Buffer.concat(Array.from({ length: tooMany / parts }, () => sized(rpc))), parts)
    await expect.poll(async () => (await engine.peers()).length).toBe(1)
    expect(engine.limitsReached.frame_flood).toBe(1)
  })

  test('who was cut and comes back has less at once', async () => {
    const { engine, hostile } = await attacked()
    const [address = ''] = await engine.multiaddrs()
    const wants = Buffer.concat(Array.from({ length: 6 }, () => sized(control(want(5_000)))))
    await sendAll(await hostile.connection.newStream(['/meshsub/1.1.0']), wants, 10)
    await expect.poll(() => engine.limitsReached.frame_flood).toBe(1)
    const again = await hostileLibp2pPeer(address)
    await sendAll(await again.connection.newStream(['/meshsub/1.1.0']), wants, 1)
    await expect.poll(() => engine.limitsReached.frame_flood).toBe(2)
  })
})

describe('an honest peer is within the budget of gossip', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
  afterEach(() => void vi.useRealTimers())

  test('when it announces 2,000 topics, at once or each for itself, and joins and leaves their meshes', () => {
    const budget = createGossipBudget(() => 0)
    for (const topic of topics(2_000)) budget.spend(subscribe(topic))
    vi.advanceTimersByTime(1_000)
    budget.spend(subscriptions(2_000))
    budget.spend(control(...topics(2_000).map(graft)))
    budget.spend(control(...topics(2_000).map(prune)))
  })

  test('when it names what a partition has kept from us, and asks for what it has missed', () => {
    const budget = createGossipBudget(() => 0)
    for (let heartbeat = 0; heartbeat < 3; heartbeat++, vi.advanceTimersByTime(1_000)) {
      budget.spend(control(have('x', 5_000), have('y', 5_000)))
      budget.spend(control(want(5_000)))
    }
  })

  test('when it answers with as many messages as an RPC may have', () => {
    createGossipBudget(() => 0).spend(Buffer.concat(Array.from({ length: 5_000 }, () => message(700))))
  })

  test('when each message brings an RPC with it, one that says "not again", and its id three times, for as long as there are new ones', () => {
    let seen = 0
    const budget = createGossipBudget(() => seen)
    const parts = [message(1_000), control(wantNot(1)), ...Array.from({ length: 3 }, () => control(have('x', 1)))]
    for (; seen < 50_000; seen++) for (const part of parts.slice(0, seen % 100 === 0 ? 5 : 2)) budget.spend(part)
  })

  test('and one that sends the same without end is not, nor when it sends messages that nobody has had before, and that are not right', () => {
    for (const rpc of [subscriptions(2_000), control(graft('x')), message(1_000), Buffer.alloc(0)]) {
      const budget = createGossipBudget(() => 0)
      expect(() => {
        for (let sent = 0; sent < 20_000; sent++) budget.spend(rpc)
      }).toThrow(FrameFlood)
    }
  })
})
