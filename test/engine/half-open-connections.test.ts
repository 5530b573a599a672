import { once } from 'node:events'
import { connect } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import { endpointOf } from '../../src/engine/dial/endpoint.ts'
import type { P2PEngine } from '../../src/engine/engine.ts'
import type { Limits } from '../../src/limits.ts'
import { startedCustomEngine } from '../fixtures/custom-engine.ts'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'

const head = 'GET / HTTP/1.1\r\nHost: x\r\n'

interface Kind {
  name: string
  start(init: { listen?: string[]; limits?: Partial<Limits> }): Promise<P2PEngine>
  listen: string
  /** What a stranger says before it falls silent. */
  beginning: string
}

const kinds: Kind[] = [
  { name: 'custom', start: startedCustomEngine, listen: '/ip4/127.0.0.1/tcp/0/ws', beginning: head },
  { name: 'libp2p over TCP', start: startedLibp2pEngine, listen: '/ip4/127.0.0.1/tcp/0', beginning: '\x13/multistream/1.0.0\n' },
  { name: 'libp2p over WebSocket', start: startedLibp2pEngine, listen: '/ip4/127.0.0.1/tcp/0/ws', beginning: head },
]

/** Strangers at some addresses, each of which opens connections and lets them wait. */
async function strangers(
  at: string,
  { addresses, each, beginning }: { addresses: number; each: number; beginning: string },
): Promise<void> {
  const { name: host = '', port = 0 } = endpointOf(multiaddr(at)) ?? {}
  const sockets = Array.from({ length: addresses * each }, (_, number) => {
    const socket = connect({ host, port, localAddress: `127.9.0.${(number % addresses) + 1}` })
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => undefined)
    socket.resume()
    socket.write(beginning)
    return socket
  })
  await Promise.all(sockets.map(async (socket) => await Promise.race([once(socket, 'connect'), once(socket, 'close')])))
}

test.each(
  kinds.flatMap((kind) => [
    { ...kind, who: 'one address', addresses: 1, each: 700, maxConnections: 300 },
    { ...kind, who: '35 addresses', addresses: 35, each: 20, maxConnections: 300 },
    { ...kind, who: 'one address, where few links are allowed,', addresses: 1, each: 700, maxConnections: 20 },
  ]),
)(
  '$name: $who with 700 connections that never prove who they are keep no peer out',
  async ({ start, listen, beginning, addresses, each, maxConnections }) => {
    const node = await start({ listen: [listen], limits: { maxInboundConnectionsPerAddress: 1_000, maxConnections } })
    const [at = ''] = await node.multiaddrs()
    await strangers(at, { addresses, each, beginning })
    const peer = await start({})
    await peer.dial(at, { source: 'rest', signal: AbortSignal.timeout(10_000) })
    await expect.poll(async () => (await node.peers()).map(({ peerId }) => peerId)).toEqual([peer.peerId])
    expect(node.limitsReached.half_open).toBeGreaterThan(0)
  },
)
