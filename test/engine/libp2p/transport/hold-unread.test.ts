import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test } from 'vitest'
import type { DialGate } from '../../../../src/engine/dial/gate.ts'
import { createSignsOfLife } from '../../../../src/engine/libp2p/signs-of-life.ts'
import { boundMuxer } from '../../../../src/engine/libp2p/transport/bounded-muxer.ts'
import { quicTransport } from '../../../../src/engine/libp2p/transport/quic-transport.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { defaultLimits } from '../../../../src/limits.ts'
import { stockNode } from '../../../fixtures/stock-node.ts'

const protocol = '/slow/1.0.0'
const noDials: Pick<DialGate, 'dial'> = { dial: async () => expect.unreachable('this end is dialled') }

test.each(['tcp', 'quic'] as const)(
  'what a peer sends over %s before its stream has a reader is held back, and nothing of it is lost',
  async (kind) => {
    const components = { gate: noDials as DialGate, reached: createLimitsReached(), signsOfLife: createSignsOfLife() }
    const node = await createLibp2p({
      addresses: { listen: [{ tcp: '/ip4/127.0.0.1/tcp/0', quic: '/ip4/127.0.0.1/udp/0/quic-v1' }[kind]] },
      transports: [tcp(), quicTransport({ limits: defaultLimits }, components)],
      connectionEncrypters: [noise()],
      streamMuxers: [
        () =>
          boundMuxer(yamux({ streamOptions: { maxStreamWindowSize: defaultLimits.maxStreamBufferBytes } })(), defaultLimits, components),
      ],
      connectionManager: { inboundStreamProtocolNegotiationTimeout: 60_000 },
    })
    onTestFinished(() => node.stop())
    let received = 0
    let wasTooEarly = false
    await node.handle(protocol, (stream) => {
      let isBeginning = true
      stream.addEventListener('message', ({ data }) => {
        wasTooEarly ||= isBeginning
        received += data.byteLength
      })
      isBeginning = false
    })
    // libp2p notes the protocol of a stream between negotiation and handler.
    const { peerStore } = Reflect.get(node, 'components')
    const { merge } = peerStore
    const noted = Promise.withResolvers<void>()
    peerStore.merge = async (...args: unknown[]) => {
      if (JSON.stringify(args).includes(protocol)) await noted.promise
      return await merge.apply(peerStore, args)
    }

    const peer = await stockNode()
    const connection = await peer.dial(node.getMultiaddrs())
    const stream = await connection.newStream([protocol])
    const piece = new Uint8Array(65_536)
    const pieces = 512
    async function send(): Promise<void> {
      for (let sent = 0; sent < pieces; sent++) if (!stream.send(piece)) await stream.onDrain()
      await stream.close()
    }
    const sending = send()
    sending.catch(() => undefined)
    const arrived = () => node.getConnections()[0]?.streams.find((each) => each.protocol === protocol)?.readBufferLength ?? 0
    let before = 0
    const isHeldBack = () => {
      const is = arrived() > 0 && arrived() === before
      before = arrived()
      return is
    }
    await expect.poll(isHeldBack, { interval: 500 }).toBe(true)
    noted.resolve()
    await sending
    await expect.poll(() => received).toBe(pieces * piece.length)
    expect(wasTooEarly).toBe(false)
  },
)
