import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, onTestFinished, test } from 'vitest'
import type { P2PEngine } from '../../src/engine/engine.ts'
import { pingOver } from '../../src/engine/libp2p/ping.ts'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'
import { stockNode } from '../fixtures/stock-node.ts'

const limits = { doubtedLinkMs: 200 }
const forms = { tcp: /\/tcp\/\d+\/p2p/, websocket: /\/ws\//, quic: /\/quic-v1\// }
const soon = () => AbortSignal.timeout(20_000)

/** Waits for a time, which has no event: nothing is to happen in it. */
async function quiet(ms: number): Promise<void> {
  const start = performance.now()
  await expect.poll(() => performance.now() - start).toBeGreaterThan(ms)
}

/** Where an engine listens over each transport. */
async function addressesOf(engine: P2PEngine): Promise<Record<keyof typeof forms, Multiaddr>> {
  const all = (await engine.multiaddrs()).map((text) => multiaddr(text))
  const over = (form: RegExp) => all.find((one) => form.test(one.toString())) ?? multiaddr('/')
  return { tcp: over(forms.tcp), websocket: over(forms.websocket), quic: over(forms.quic) }
}

/** A way to an address over TCP that can fall silent: it takes what is sent, and passes nothing on. */
async function wayTo(address: Multiaddr) {
  const sockets: Socket[] = []
  const port = Number(/\/tcp\/(\d+)/.exec(address.toString())?.[1])
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.pipe(far).pipe(near)
    sockets.push(near, far)
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  await once(server, 'listening')
  return {
    address: multiaddr(`/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`),
    silence() {
      for (const socket of sockets) socket.unpipe().resume()
    },
    /** Whether the other end has ended it. */
    isEnded: () => sockets[1]?.closed === true,
  }
}

test.each(['tcp', 'websocket', 'quic'] as const)(
  'a peer over %s that had nothing to say for long keeps its connection when it opens another',
  async (transport) => {
    const engine = await startedLibp2pEngine({ limits })
    const addresses = await addressesOf(engine)
    const node = await stockNode()
    const first = await node.dial(addresses[transport])
    await quiet(3 * limits.doubtedLinkMs)
    const second = await node.dial(addresses.websocket, { force: true })
    await quiet(2_500)
    for (const each of [first, second]) expect(await pingOver(each, soon())).toBeGreaterThan(0)
  },
)

test('a connection on which nothing comes any more is cut when its peer opens another', async () => {
  const engine = await startedLibp2pEngine({ limits })
  const addresses = await addressesOf(engine)
  const [node, way] = await Promise.all([stockNode(), wayTo(addresses.tcp)])
  const first = await node.dial(way.address)
  way.silence()
  await quiet(3 * limits.doubtedLinkMs)
  const second = await node.dial(addresses.websocket, { force: true })
  await expect.poll(way.isEnded).toBe(true)
  expect(first.status).toBe('open')
  expect(await pingOver(second, soon())).toBeGreaterThan(0)
  first.abort(new Error('the test is over'))
})
