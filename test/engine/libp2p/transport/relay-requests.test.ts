import { RELAY_V2_HOP_CODEC, RELAY_V2_STOP_CODEC } from '@libp2p/circuit-relay-v2'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'
import { field, sized } from '../../../fixtures/protobuf.ts'
import { stockNode } from '../../../fixtures/stock-node.ts'

const forms = { tcp: '/ip4/127.0.0.1/tcp/0', quic: '/ip4/127.0.0.1/udp/0/quic-v1' }
/** Opens a stream of a protocol to a relay. */
async function streamTo(protocol: string, listen: string): Promise<Stream> {
  const relay = await startedLibp2pEngine({ relay: true, listen: [listen] })
  const peer = await stockNode()
  const connection = await peer.dial(multiaddr((await relay.multiaddrs())[0] ?? ''))
  return await connection.newStream(protocol)
}

/** Whether an answer comes before the other end has ended the stream, which a stream of QUIC tells by `remoteCloseWrite`. */
async function isAnswered(stream: Stream): Promise<boolean> {
  return await new Promise((resolve) => {
    stream.addEventListener('message', () => resolve(true))
    stream.addEventListener('close', () => resolve(false))
    stream.addEventListener('remoteCloseWrite', () => resolve(false))
  })
}

test.for([
  [RELAY_V2_HOP_CODEC, forms.tcp],
  [RELAY_V2_STOP_CODEC, forms.tcp],
  [RELAY_V2_HOP_CODEC, forms.quic],
  [RELAY_V2_STOP_CODEC, forms.quic],
] as const)('a request of more than 4 KiB ends its stream: %s over %s', async ([protocol, listen]) => {
  const stream = await streamTo(protocol, listen)
  const answered = isAnswered(stream)
  stream.send(sized(Buffer.concat([Buffer.of(8, 0), field(15, Buffer.alloc(10_000))])))
  expect(await answered).toBe(false)
})

test.for<[string, string, Buffer]>([
  ['reservation', RELAY_V2_HOP_CODEC, Buffer.of(8, 0)],
  ['circuit to nobody', RELAY_V2_HOP_CODEC, Buffer.concat([Buffer.of(8, 1), field(2, field(1, Buffer.alloc(34)))])],
  ['refused circuit to this node', RELAY_V2_STOP_CODEC, Buffer.of(8, 1)],
])('what comes behind a request is not kept: %s', async ([, protocol, request]) => {
  const stream = await streamTo(protocol, forms.tcp)
  const answered = new Promise<void>((resolve) => stream.addEventListener('message', () => resolve(), { once: true }))
  stream.send(sized(request))
  await answered
  stream.send(Buffer.alloc(10_000))
  await expect.poll(() => stream.status).not.toBe('open')
})
