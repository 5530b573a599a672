import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { timeRoundTrips } from '../round-trips.ts'

/**
 * One of two libp2p nodes with a transport, a cipher and a muxer, and no services: `listen` echoes every message, `dial
 * <multiaddr> <bytes>` measures round trips on request. Each is a request as the engine makes it, on its own stream:
 * opened, one message there and one back, closed. It shares no code with the engine, so the engine cannot slow down its
 * own limit.
 */

const [role, address = '', size = '0'] = process.argv.slice(2)
const protocol = '/bench/echo/1.0.0'
/** Length prefix of a message, big endian. */
const headerBytes = 4

process.once('disconnect', () => process.exit())
const node = await createLibp2p({
  addresses: { listen: role === 'listen' ? ['/ip4/127.0.0.1/tcp/0'] : [] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  // Its pings would fall into round trips.
  connectionMonitor: { enabled: false },
})
await (role === 'listen' ? listen() : dial(address, Buffer.alloc(Number(size), 'x')))

async function listen(): Promise<void> {
  await node.handle(protocol, async (stream) => {
    stream.send(framed(await read(stream)))
    await stream.close()
  })
  process.send?.({ multiaddr: node.getMultiaddrs()[0]?.toString() })
}

async function dial(to: string, message: Buffer): Promise<void> {
  const connection = await node.dial(multiaddr(to))
  process.on('message', async ({ count }: { count: number }) => {
    const times = await timeRoundTrips(count, async () => {
      const stream = await connection.newStream(protocol)
      stream.send(framed(message))
      const answer = await read(stream)
      await stream.close()
      if (!answer.equals(message)) throw new Error('the answer differs from the message sent')
    })
    process.send?.({ times })
  })
}

function framed(message: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + message.length)
  bytes.writeUInt32BE(message.length)
  bytes.set(message, headerBytes)
  return bytes
}

async function read(stream: Stream): Promise<Buffer> {
  let received = Buffer.alloc(0)
  for await (const chunk of stream) {
    received = Buffer.concat([received, chunk.subarray()])
    if (received.length >= headerBytes && received.length >= headerBytes + received.readUInt32BE()) return received.subarray(headerBytes)
  }
  throw new Error('the stream ended before the message')
}
