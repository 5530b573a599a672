import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { pingOver } from '../../../src/engine/libp2p/ping.ts'
import { startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'
import { stockNode } from '../../fixtures/stock-node.ts'

/* test/e2e/bad-links.test.ts shows, over real links, that a mute connection is cut. */

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
