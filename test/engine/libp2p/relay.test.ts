import { setImmediate as nextTurn } from 'node:timers/promises'
import { RELAY_V2_HOP_CODEC, RELAY_V2_STOP_CODEC } from '@libp2p/circuit-relay-v2'
import type { Connection, Stream } from '@libp2p/interface'
import { streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { holdBack } from '../../../src/engine/libp2p/transport/circuit-streams.ts'
import { muxerFrames } from '../../../src/engine/libp2p/transport/muxer-frames.ts'
import type { PassingWay } from '../../../src/engine/passed-on.ts'
import type { Limits } from '../../../src/limits.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { field, fieldsOf, sized, unsized } from '../../fixtures/protobuf.ts'
import { type StockNode, stockNode } from '../../fixtures/stock-node.ts'

/** What a relay says and does on the wire: https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md */

const signal = AbortSignal.timeout(600_000)
const messageTypes = { reserve: 0, connect: 1, status: 2 }
const okStatus = 100
/** Fields of a HopMessage, and of a Limit. */
const [hopLimit, hopStatus] = [4, 5]
const stopLimit = 3
const [limitSeconds, limitBytes] = [1, 2]

const enumeration = (number: number, value: number) => Buffer.of(number * 8, value)
const asked = (type: number, ...rest: Buffer[]) => sized(Buffer.concat([enumeration(1, type), ...rest]))
const limitIn = (message: Buffer | undefined, number: number) => {
  const limit = fieldsOf(message ?? Buffer.alloc(0)).get(number)
  return limit instanceof Buffer ? fieldsOf(limit) : limit
}

async function linkTo(relay: P2PEngine, node: StockNode): Promise<Connection> {
  const [address = ''] = await relay.multiaddrs()
  return await node.dial(multiaddr(address))
}

/** Asks a relay; answers the stream and what comes first on it. */
async function ask(connection: Connection, request: Buffer): Promise<{ stream: Stream; answer: Buffer }> {
  const stream = await connection.newStream(RELAY_V2_HOP_CODEC)
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  stream.addEventListener('message', ({ data }) => resolve(unsized(data.subarray())), { once: true })
  stream.send(request)
  return { stream, answer: await promise }
}

/** A relay, a node that is reached through it, which says nothing on its circuits, and another one. */
async function parties(limits: Partial<Limits> = {}) {
  const relay = await startedLibp2pEngine({ relay: true, limits })
  const [target, opener] = [await stockNode(), await stockNode()]
  const offers: Array<{ stream: Stream; request: Buffer }> = []
  await target.unhandle(RELAY_V2_STOP_CODEC)
  await target.handle(RELAY_V2_STOP_CODEC, (stream) => {
    const onFirst = ({ data }: { data: { subarray(): Uint8Array } }) => {
      offers.push({ stream, request: unsized(data.subarray()) })
      stream.send(sized(Buffer.concat([enumeration(1, 1), Buffer.of(4 * 8, okStatus)])))
    }
    stream.addEventListener('message', onFirst, { once: true })
  })
  const reservation = (await ask(await linkTo(relay, target), asked(messageTypes.reserve))).answer
  const connection = await linkTo(relay, opener)
  const connect = async () => {
    const { stream, answer } = await ask(connection, asked(messageTypes.connect, field(2, field(1, target.peerId.toMultihash().bytes))))
    expect(fieldsOf(answer).get(hopStatus)).toBe(okStatus)
    return { stream, answer, offer: offers.at(-1) }
  }
  return { relay, reservation, connect }
}

test('a relay states no limits by default, neither of a reservation nor of a circuit, at either end', async () => {
  const { reservation, connect } = await parties()
  expect(fieldsOf(reservation).get(hopStatus)).toBe(okStatus)
  const { answer, offer } = await connect()
  expect([limitIn(reservation, hopLimit), limitIn(answer, hopLimit), limitIn(offer?.request, stopLimit)]).toEqual([
    undefined,
    undefined,
    undefined,
  ])
})

test('maxRelayBytes and relayMs are stated to both ends, the time in seconds', async () => {
  const { reservation, connect } = await parties({ relayMs: 90_000, maxRelayBytes: 5_000_000_000 })
  const { answer, offer } = await connect()
  const stated = new Map([
    [limitSeconds, 90],
    [limitBytes, 5_000_000_000],
  ])
  expect([limitIn(reservation, hopLimit), limitIn(answer, hopLimit), limitIn(offer?.request, stopLimit)]).toEqual([stated, stated, stated])
})

test('one of the two is stated alone', async () => {
  const { reservation } = await parties({ relayMs: 90_500 })
  expect(limitIn(reservation, hopLimit)).toEqual(new Map([[limitSeconds, 90]]))
})

test('a link through a relay is not limited by default; one through a relay with limits is, and carries more than milliseconds', async () => {
  for (const [limits, seconds] of [
    [{}, undefined],
    [{ relayMs: 3_600_000 }, 3_600],
  ] as const) {
    const relay = await startedLibp2pEngine({ relay: true, limits })
    const target = await startedLibp2pEngine({ listen: ['/p2p-circuit'] })
    const [address = ''] = await relay.multiaddrs()
    await target.dial(address, { source: 'rest', signal })
    const addresses = async () => (await target.multiaddrs()).filter((each) => each.includes('/p2p-circuit'))
    await expect.poll(addresses).not.toEqual([])
    const node = await stockNode()
    const connection = await node.dial(multiaddr((await addresses())[0] ?? ''))
    const left = connection.limits?.seconds
    expect(left === undefined ? undefined : Math.ceil(left / 600) * 600).toBe(seconds)
    await expect.poll(async () => (await target.peers()).find(({ peerId }) => peerId === node.peerId.toString())?.path.by).toBe('relay')
  }
})

test('relayMs: a circuit ends when its time is over, not sooner', async () => {
  const { connect } = await parties({ relayMs: 5_000 })
  const begun = performance.now()
  const { stream } = await connect()
  await expect.poll(() => stream.status, { timeout: 30_000 }).toBe('reset')
  expect(performance.now() - begun).toBeGreaterThan(4_900)
})

test('relayIdleMs: a circuit that carries nothing is closed at both ends, and gives its place back', async () => {
  const { connect } = await parties({ relayIdleMs: 2_000, maxRelayStreams: 2 })
  for (let count = 0; count < 4; count++) {
    const { stream, offer } = await connect()
    await expect.poll(() => [stream.status, offer?.stream.status]).toEqual(['reset', 'reset'])
  }
})

test('a relay reads an end of a circuit as fast as the other takes it, and holds a bounded amount', async () => {
  const { connect } = await parties()
  const { stream, offer } = await connect()
  offer?.stream.pause()
  let sent = 0
  // 64 MiB: several times what streams and sockets hold.
  for (; sent < 64 && stream.writeBufferLength === 0; sent++) {
    stream.send(Buffer.alloc(1_048_576))
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  expect(sent).toBeLessThan(32)
  let arrived = 0
  offer?.stream.addEventListener('message', ({ data }) => {
    arrived += data.byteLength
  })
  offer?.stream.resume()
  await expect.poll(() => arrived, { timeout: 60_000 }).toBe(sent * 1_048_576)
})

test('a circuit over QUIC, whose every write waits for the one before, carries several large requests at once and is not taken for unread', async () => {
  const listen = ['/ip4/127.0.0.1/udp/0/quic-v1']
  const limits = { requestTimeoutMs: 110_000 }
  const relay = await startedLibp2pEngine({ relay: true, listen })
  const [target, other] = [await startedLibp2pEngine({ listen: ['/p2p-circuit'], limits }), await startedLibp2pEngine({ listen, limits })]
  const [address = ''] = await relay.multiaddrs()
  await target.dial(address, { source: 'rest', signal })
  const addresses = async () => (await target.multiaddrs()).filter((each) => each.includes('/p2p-circuit'))
  await expect.poll(addresses).not.toEqual([])
  await other.dial((await addresses())[0] ?? '', { source: 'rest', signal })
  await target.handle('/peergate/test/1.0.0', async ({ body }) => body, { maxRequestBytes: 4_000_000, maxConcurrent: 10 })
  const body = Buffer.alloc(2_000_000, 'x')
  const ask = () => other.request(target.peerId, '/peergate/test/1.0.0', body, { signal, maxAnswerBytes: 4_000_000 })
  const answers = await Promise.all([ask(), ask(), ask(), ask()])
  expect(answers.map((answer) => Buffer.compare(answer, body))).toEqual([0, 0, 0, 0])
  expect([relay, target, other].map(({ limitsReached }) => limitsReached.unread_link)).toEqual([0, 0, 0])
})

const freely: PassingWay = { pass: () => true, isFast: false }

/** A circuit between two ends, joined as libp2p does it, by a relay that carries while `mayCarry` says so. */
async function joined() {
  const [[opener, near], [far, target]] = [await streamPair(), await streamPair()]
  const state = { mayCarry: true, counted: 0, arrived: 0 }
  holdBack(
    { opener: near, target: far },
    {
      carried(_direction, bytes) {
        state.counted += bytes
      },
      waitMs: () => (state.mayCarry ? 0 : 1),
      [Symbol.dispose]: () => undefined,
    },
    { there: freely, back: freely },
  )
  near.addEventListener('message', ({ data }) => void far.send(data))
  target.addEventListener('message', ({ data }) => {
    state.arrived += data.byteLength
  })
  onTestFinished(() => {
    for (const stream of [opener, near, far, target]) stream.abort(new Error('the test is over'))
  })
  return { opener, near, state }
}

test('relayBytesPerSecond: what is over the rate waits at its sender, and arrives when the relay may carry again', async () => {
  const { opener, state } = await joined()
  opener.send(Buffer.alloc(100))
  await expect.poll(() => state.arrived).toBe(100)
  state.mayCarry = false
  opener.send(Buffer.alloc(10))
  await expect.poll(() => state.counted).toBe(110)
  opener.send(Buffer.alloc(1_000))
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(state.counted).toBe(110)
  state.mayCarry = true
  await expect.poll(() => state.arrived).toBe(1_110)
})

test('what an end sent before it closed arrives, although the relay was not reading it', async () => {
  const { opener, near, state } = await joined()
  state.mayCarry = false
  opener.send(Buffer.alloc(10))
  await expect.poll(() => state.counted).toBe(10)
  opener.send(Buffer.alloc(1_000))
  await expect.poll(() => near.readBufferLength).toBe(1_000)
  await opener.close()
  await expect.poll(() => state.arrived).toBe(1_010)
})

test('a direct connection beside a relayed one is the path to the peer, and each change is told', async () => {
  const relay = await startedLibp2pEngine({ relay: true })
  const target = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0', '/p2p-circuit'] })
  const other = await startedLibp2pEngine({ listen: [] })
  const told: Array<string | undefined> = []
  other.listen((event) => {
    if (event.type === 'peer:update' && event.peer.peerId === target.peerId) told.push(event.peer.path.by)
  })
  const [address = ''] = await relay.multiaddrs()
  await target.dial(address, { source: 'rest', signal })
  const addresses = async () => (await target.multiaddrs()).filter((each) => each.includes('/p2p-circuit'))
  await expect.poll(addresses).not.toEqual([])
  const before = Date.now()
  expect(await other.dial((await addresses())[0] ?? '', { source: 'rest', signal })).toMatchObject({
    path: { by: 'relay', via: relay.peerId },
  })
  // The end that has dialled has the link first.
  const seen = async () => (await target.peers()).find(({ peerId }) => peerId === other.peerId)?.path
  await expect.poll(seen).toEqual({ by: 'relay', via: relay.peerId, since: expect.any(Number) })
  expect((await seen())?.since).toBeGreaterThanOrEqual(before)
  const direct = (await target.multiaddrs()).find((each) => !each.includes('/p2p-circuit')) ?? ''
  expect(await other.dial(direct, { source: 'rest', signal })).toMatchObject({ path: { by: 'tcp', via: null } })
  await expect.poll(() => told.at(-1)).toBe('tcp')
})

test('an end that sends data a byte at a time has it passed on in fewer pieces, for which its target charges the relay less than it may', async () => {
  const { connect } = await parties()
  const { stream, offer } = await connect()
  let [arrived, pieces] = [0, 0]
  offer?.stream.addEventListener('message', ({ data }) => {
    arrived += data.byteLength
    pieces++
  })
  const begun = performance.now()
  for (let sent = 1; sent <= 15_000; sent++) {
    if (!stream.send(Buffer.of(1))) await stream.onDrain({ signal })
    if (sent % 100 === 0) await nextTurn()
  }
  await expect.poll(() => arrived, { timeout: 60_000 }).toBe(15_000)
  // At half of the rate, however long that takes on a busy machine, and at once what that is in a second.
  const seconds = (performance.now() - begun) / 1_000
  expect(pieces).toBeLessThan((muxerFrames.perSecond / 2) * (1 + seconds))
})
