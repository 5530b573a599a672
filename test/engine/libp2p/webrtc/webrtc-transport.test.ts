import { type Connection, start, stop } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { peerIdFromString } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { createDialGate } from '../../../../src/engine/dial/gate.ts'
import { createSignsOfLife } from '../../../../src/engine/libp2p/signs-of-life.ts'
import { signallingProtocol } from '../../../../src/engine/libp2p/webrtc/signals.ts'
import { loadWebRtc } from '../../../../src/engine/libp2p/webrtc/webrtc-transport.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { createAllowances } from '../../../../src/engine/reach/allowance.ts'
import { defaultLimits } from '../../../../src/limits.ts'
import { policy } from '../../../fixtures/dial-policy.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'

type Made = Awaited<ReturnType<typeof loadWebRtc>>
type Handler = (stream: unknown, connection: Partial<Connection>) => unknown

const [relay, peer, other] = await Promise.all([1, 2, 3].map(async () => (await createMemoryIdentity()).peerId))

/** What a stream of signals on a connection becomes. */
async function statusOn(connection: Partial<Connection>): Promise<string> {
  const gate = createDialGate({ policy: policy() })
  const parts = {
    policy: policy(),
    stunServers: async () => [],
    allowanceOf: createAllowances<object>(() => 10_000),
    reached: createLimitsReached(),
    onOutcome: () => undefined,
    signsOfLife: createSignsOfLife(),
  }
  const make = await loadWebRtc({ limits: defaultLimits }, { gate, ...parts })
  const handlers = new Map<string, Handler>()
  const registrar = {
    handle: async (protocol: string, handler: Handler) => void handlers.set(protocol, handler),
    unhandle: async () => undefined,
  }
  const upgrader = { createInboundAbortSignal: () => Object.assign(AbortSignal.timeout(10_000), { clear: () => undefined }) }
  const node: Parameters<Made>[0] = Object.assign(Object.create(null), {
    ...{ registrar, upgrader, connectionManager: {}, transportManager: {} },
    logger: defaultLogger(),
  })
  const transport = make(node)
  await start(transport)
  onTestFinished(() => stop(transport))
  const [, stream] = await streamPair()
  onTestFinished(() => stream.abort(new Error('the test is over')))
  handlers.get(signallingProtocol)?.(stream, connection)
  return stream.status
}

const remotePeer = peerIdFromString(peer ?? '')
const through = (peerId: string | undefined) => multiaddr(`/ip4/11.0.0.1/tcp/7071/p2p/${relay}/p2p-circuit/p2p/${peerId}`)

test('signals of a peer that a relay gives another name are refused', async () => {
  expect(await statusOn({ direct: false, remotePeer, remoteAddr: through(peer) })).toBe('open')
  expect(await statusOn({ direct: false, remotePeer, remoteAddr: through(other) })).toBe('aborted')
})

test('signals over a direct connection are refused', async () => {
  expect(await statusOn({ direct: true, remotePeer, remoteAddr: multiaddr(`/ip4/11.0.0.1/tcp/7071/p2p/${peer}`) })).toBe('aborted')
})
