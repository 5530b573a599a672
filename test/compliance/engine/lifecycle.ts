import { describe, expect, test } from 'vitest'
import { parseMultiaddr, peerIdOf } from '../../../src/model/peer.ts'
import { type EngineNodes, texts } from './nodes.ts'

/** Identity, start and stop. */
export function describeLifecycle({ createNode, pair, link, knows, publish }: EngineNodes): void {
  describe('identity and lifecycle', () => {
    test('derives the same peer id from the same key', async () => {
      const seed = new Uint8Array(32).fill(7)
      const node = await createNode({ seed, start: false })
      expect(node.engine.peerId).toBe('12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7')
    })

    test('has addresses that end in its peer id while it runs, and none otherwise', async () => {
      const { engine } = await createNode({ start: false })
      expect(await engine.multiaddrs()).toEqual([])
      await engine.start()
      const addresses = await engine.multiaddrs()
      expect(addresses.length).toBeGreaterThan(0)
      for (const address of addresses.map(parseMultiaddr)) {
        expect(peerIdOf(address)).toBe(engine.peerId)
        expect(engine.capabilities.transports).toContain(address.getComponents().at(-2)?.name)
      }
      await engine.stop()
      expect(await engine.multiaddrs()).toEqual([])
    })

    test('may be started twice, stopped twice, and started again', async () => {
      const [a, b] = await pair()
      await a.engine.start()
      await a.engine.stop()
      await a.engine.stop()
      await a.engine.start()
      await link(a, b)
    })

    test('keeps its subscriptions through a stop and a start', async () => {
      const [a, b] = await pair()
      await b.engine.subscribe('orders')
      await b.engine.stop()
      await b.engine.start()
      expect(await b.engine.topics()).toEqual(['orders'])
      await link(a, b)
      await knows(a, b, 'orders')
      await publish(a, 'orders', 'hello')
      await expect.poll(() => texts(b.received)).toEqual(['hello'])
    })

    test('loses its links when it stops', async () => {
      const [a, b] = await pair()
      await link(a, b)
      await a.engine.stop()
      expect(await a.engine.peers()).toEqual([])
      await expect.poll(() => b.engine.peers()).toEqual([])
      expect(b.events).toContainEqual({ type: 'peer:disconnect', peerId: a.engine.peerId })
    })
  })
}
