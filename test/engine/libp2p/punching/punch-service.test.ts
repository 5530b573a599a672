import { once } from 'node:events'
import type { Connection, PeerId, Stream, StreamHandler, Topology } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { type PunchServiceNode, punchService } from '../../../../src/engine/libp2p/punching/punch-service.ts'
import { createAllowances } from '../../../../src/engine/reach/allowance.ts'
import { startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'
import { field, fieldsOf, sized, unsized } from '../../../fixtures/protobuf.ts'
import { stockNode } from '../../../fixtures/stock-node.ts'

/* test/e2e/nat/matrix.test.ts shows, over real routers, that holes are punched. */

const protocol = '/libp2p/dcutr'
/** Tag and value of `type`, CONNECT (https://github.com/libp2p/specs/blob/master/relay/DCUtR.md#rpc-messages). */
const connect = Buffer.of(8, 100)
const signal = AbortSignal.timeout(60_000)

/** Asks for an upgrade, as the end that was dialled does. The stream's answers so far. */
async function ask(connection: Connection, addresses: string[]): Promise<{ stream: Stream; answers: Uint8Array[] }> {
  const stream = await connection.newStream(protocol, { signal, runOnLimitedConnection: true })
  const answers: Uint8Array[] = []
  stream.addEventListener('message', ({ data }) => answers.push(data.subarray()))
  const named = addresses.map((address) => field(2, multiaddr(address).bytes))
  // A stream that is refused may be so by now.
  if (stream.status === 'open') stream.send(sized(Buffer.concat([connect, ...named])))
  return { stream, answers }
}

test('a peer on a relayed connection is answered, and told no private address', async () => {
  const relay = await startedLibp2pEngine({ relay: true })
  const target = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0', '/p2p-circuit'] })
  const [toRelay = ''] = await relay.multiaddrs()
  await target.dial(toRelay, { source: 'rest', signal })
  const through = async () => (await target.multiaddrs()).find((address) => address.includes('/p2p-circuit')) ?? ''
  await expect.poll(through).not.toBe('')
  const node = await stockNode()
  const connection = await node.dial(multiaddr(await through()))
  const { answers } = await ask(connection, ['/ip4/11.0.0.10/tcp/1'])
  await expect.poll(() => answers.length).toBe(1)
  expect([...fieldsOf(unsized(answers[0] ?? new Uint8Array()))]).toEqual([[1, 100]])
})

test('a peer on a direct connection, which needs no other, has no dials made', async () => {
  const engine = await startedLibp2pEngine()
  const [address = ''] = await engine.multiaddrs()
  const node = await stockNode()
  const { stream, answers } = await ask(await node.dial(multiaddr(address)), ['/ip4/11.0.0.10/tcp/1'])
  await expect.poll(() => stream.status).toBe('reset')
  expect(answers).toEqual([])
})

/** Two peer ids, the lower one first. */
async function peerIds(): Promise<[PeerId, PeerId]> {
  const [low = '', high = ''] = (await Promise.all([1, 2].map(async () => (await createMemoryIdentity()).peerId))).toSorted()
  return [peerIdFromString(low), peerIdFromString(high)]
}

/** The peer's addresses that the node knows, its direct connections, and what a dial to it gives. */
interface Network {
  known?: string[]
  connections?: Connection[]
  dial?: () => Promise<Connection>
}

/** The service of a node without a network: what it registers, and a relayed connection that a peer has dialled. */
async function alone({ ownId, peerId, seen = [], ...network }: { ownId: PeerId; peerId: PeerId; seen?: string[] } & Network) {
  let handler: StreamHandler | undefined
  let topology: Topology | undefined
  const node: PunchServiceNode = Object.assign(Object.create(null), {
    peerId: ownId,
    logger: defaultLogger(),
    events: new EventTarget(),
    connectionGater: {},
    peerStore: { get: async () => ({ addresses: (network.known ?? []).map((address) => ({ multiaddr: multiaddr(address) })) }) },
    transportManager: { dialTransportForMultiaddr: () => ({}), dial: network.dial },
    addressManager: { getAddresses: () => [] },
    connectionManager: { getConnections: () => network.connections ?? [] },
    registrar: {
      async handle(_protocol: string, given: StreamHandler) {
        handler = given
      },
      async register(_protocol: string, given: Topology) {
        topology = given
      },
    },
  })
  const service = punchService({
    policy: { told: () => undefined },
    observed: { all: () => seen },
    allowanceOf: createAllowances(() => 10_000),
    onEnd: () => undefined,
  })(node)
  await Object(service).start()
  const [own, others] = await streamPair({ protocol })
  let closed = 0
  const relayed: Connection & EventTarget = Object.assign(new EventTarget(), {
    ...{ remotePeer: peerId, direct: false, direction: 'inbound', status: 'open', newStream: async () => own },
    close: async () => void closed++,
    remoteAddr: multiaddr(`/ip4/11.0.0.1/tcp/1/p2p/${peerId}/p2p-circuit/p2p/${peerId}`),
  }) as never
  onTestFinished(() => {
    relayed.dispatchEvent(new Event('close'))
    for (const stream of [own, others]) stream.abort(new Error('the test is over'))
  })
  /** The peer has told that it speaks the protocol. */
  const identified = () => topology?.onConnect?.(peerId, relayed)
  /** The peer opens a stream, and ends it when the test is over. */
  const asks = (stream: Stream) => void Promise.resolve(handler?.(stream, relayed)).catch(() => undefined)
  return { identified, asks, others, timesClosed: () => closed }
}

test('a peer is told the addresses at which others have seen this node', async () => {
  const [ownId, peerId] = await peerIds()
  const seen = '/ip4/11.0.0.10/tcp/7071'
  const { identified, others } = await alone({ ownId, peerId, seen: [seen] })
  const told = once(others, 'message')
  identified()
  const [{ data }] = await told
  expect(multiaddr(fieldsOf(unsized(data.subarray())).get(2) as Uint8Array).toString()).toBe(seen)
})

test.each([
  ['lower', true],
  ['higher', false],
])('while this node, with the %s id, upgrades a connection, an upgrade by the peer is refused: %s', async (_, isLower) => {
  const [low, high] = await peerIds()
  const { identified, asks, others } = await alone(isLower ? { ownId: low, peerId: high } : { ownId: high, peerId: low })
  const told = once(others, 'message')
  identified()
  await told
  const [stream, far] = await streamPair({ protocol })
  onTestFinished(() => far.abort(new Error('the test is over')))
  asks(stream)
  expect(stream.status).toBe(isLower ? 'aborted' : 'open')
})

/** A direct connection, as much of it as an upgrade looks at. */
function directTo(peerId: PeerId): Connection {
  const remoteAddr = multiaddr(`/ip4/11.0.0.10/tcp/1/p2p/${peerId}`)
  return Object.assign(new EventTarget(), { remotePeer: peerId, direct: true, status: 'open', remoteAddr }) as never
}

test('the relayed connection stays open when the peer has begun an upgrade that succeeds: messages are on their way over it', async () => {
  const [ownId, peerId] = await peerIds()
  const { asks, timesClosed } = await alone({ ownId, peerId, connections: [directTo(peerId)] })
  const [stream, far] = await streamPair({ protocol })
  const answered = once(far, 'message')
  const ended = once(far, 'remoteCloseWrite')
  asks(stream)
  far.send(sized(Buffer.concat([connect, field(2, multiaddr('/ip4/11.0.0.10/tcp/1').bytes)])))
  await answered
  // SYNC.
  far.send(sized(Buffer.of(8, 172, 2)))
  await far.close()
  await ended
  expect(timesClosed()).toBe(0)
})

test('the relayed connection stays open when this node has reached the peer at a public address', async () => {
  const [ownId, peerId] = await peerIds()
  const dialled = Promise.withResolvers<void>()
  const dial = async () => {
    dialled.resolve()
    return directTo(peerId)
  }
  const { identified, timesClosed } = await alone({ ownId, peerId, known: ['/ip4/11.0.0.10/tcp/1'], dial })
  identified()
  await dialled.promise
  // All that follows the dial is in the same turn.
  await new Promise((resolve) => setImmediate(resolve))
  expect(timesClosed()).toBe(0)
})
