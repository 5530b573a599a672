import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'

/** Strangers that begin handshakes of QUIC, which cost them one packet, and never end them. */

const quicOnly = ['/ip4/127.0.0.1/udp/0/quic-v1']
const signal = AbortSignal.timeout(60_000)

async function bound(): Promise<Socket> {
  const socket = createSocket('udp4')
  onTestFinished(() => void socket.close())
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

/** A way to a port on which nothing comes back, and the number of packets that went there. */
async function oneWayTo(port: number) {
  const [front, back] = [await bound(), await bound()]
  const state = { port: front.address().port, packets: 0 }
  front.on('message', (packet) => {
    state.packets++
    back.send(packet, port, '127.0.0.1')
  })
  return state
}

async function quicEngine() {
  const engine = await startedLibp2pEngine({ listen: quicOnly, dht: false })
  const [address = ''] = await engine.multiaddrs()
  return { engine, address, port: Number(multiaddr(address).getComponents()[1]?.value) }
}

test.each([1, 50])('a peer is let in beside %i handshakes that are never ended', async (count) => {
  const { engine, address, port } = await quicEngine()
  const ends = new AbortController()
  onTestFinished(() => ends.abort())
  const stranger = await quicEngine()
  const ways = await Promise.all(Array.from({ length: count }, async () => await oneWayTo(port)))
  for (const way of ways) {
    const { peerId } = await createMemoryIdentity()
    const there = `/ip4/127.0.0.1/udp/${way.port}/quic-v1/p2p/${peerId}`
    void stranger.engine.dial(there, { source: 'rest', signal: ends.signal }).catch(() => undefined)
  }
  await expect.poll(() => ways.every(({ packets }) => packets > 0)).toBe(true)
  const honest = await quicEngine()
  await honest.engine.dial(address, { source: 'rest', signal })
  // The end that has dialled has the link first.
  await expect.poll(async () => (await engine.peers()).map(({ peerId }) => peerId)).toEqual([honest.engine.peerId])
})
