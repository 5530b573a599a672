import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { defaultLimits } from '../../../../src/limits.ts'
import { startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'

/**
 * Bytes of dial data that a peer sends at least before this node dials an address for it at which it is not seen
 * (`dialData` in `autonat-server.ts`). The first address alone is dialled.
 */
const leastDialData = 30_000
/** Bytes of the headers of one packet: IPv6, and UDP or TCP with its options. */
const headerBytes = 40 + 60
const somebody = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'

interface Stranger {
  address: string
  /** What it was sent, with headers. */
  bytes(): number
}

/** Accepts sockets and reads them, without an answer. */
async function tcpStranger(path: string): Promise<Stranger> {
  let bytes = 0
  const server = createServer((socket) => {
    bytes += 3 * headerBytes
    socket
      .on('error', () => undefined)
      .on('data', (data) => {
        bytes += data.length + headerBytes
      })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void server.close())
  const place = server.address()
  if (place === null || typeof place === 'string') throw new Error('the server has no port')
  return { address: `/ip4/127.0.0.1/tcp/${place.port}${path}`, bytes: () => bytes }
}

async function udpStranger(): Promise<Stranger> {
  let bytes = 0
  const socket = createSocket('udp4', (packet) => {
    bytes += packet.length + headerBytes
  })
  await once(socket.bind(0, '127.0.0.1'), 'listening')
  onTestFinished(() => void socket.close())
  return { address: `/ip4/127.0.0.1/udp/${socket.address().port}/quic-v1`, bytes: () => bytes }
}

test('a dial over TCP, WebSocket or QUIC sends a stranger fewer bytes than AutoNAT takes from the peer that asks for it', async () => {
  const strangers = await Promise.all([tcpStranger(''), tcpStranger('/ws'), udpStranger()])
  const dials = strangers.map(async ({ address, bytes }) => {
    // A dial-back has twice the time of others.
    const engine = await startedLibp2pEngine({ limits: { dialTimeoutMs: 2 * defaultLimits.dialTimeoutMs } })
    const dial = engine.dial(`${address}/p2p/${somebody}`, { source: 'rest', signal: AbortSignal.timeout(60_000) })
    await expect(dial).rejects.toThrow()
    return bytes()
  })
  for (const bytes of await Promise.all(dials)) {
    expect(bytes).toBeGreaterThan(0)
    // Three times as much would be allowed.
    expect(bytes).toBeLessThan(leastDialData)
  }
})
