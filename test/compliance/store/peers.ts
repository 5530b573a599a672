import { describe, expect, test } from 'vitest'
import type { Store } from '../../../src/store/store.ts'
import { someAuthor } from '../../fixtures/messages.ts'
import { otherAuthor } from './shared.ts'

/** The contract for peers that were seen. */
export function describePeers(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('peers', () => {
    const seen = { peerId: someAuthor, multiaddrs: ['/ip4/192.0.2.1/tcp/1'], source: 'learnt' as const, seenAt: 1_000 }

    test('adds a peer and keeps what was learnt, over a restart', async () => {
      const store = await open()
      await store.peers.save([{ ...seen, agent: 'js', protocols: ['/a', '/b'] }])
      await store.stop()
      const again = await reopen()
      expect(await again.peers.get(someAuthor)).toEqual({
        peerId: someAuthor,
        addresses: [{ multiaddr: '/ip4/192.0.2.1/tcp/1', source: 'learnt' }],
        agent: 'js',
        protocols: ['/a', '/b'],
        label: null,
        blocked: false,
        firstSeen: 1_000,
        lastSeen: 1_000,
      })
      expect(await again.peers.get(otherAuthor)).toBeUndefined()
    })

    test('joins what is learnt later: newest addresses first, the most trusted source, no step back in time', async () => {
      const store = await open()
      await store.peers.save([{ ...seen, source: 'rest', agent: 'js' }])
      await store.peers.save([{ ...seen, multiaddrs: ['/ip4/192.0.2.2/tcp/1', '/ip4/192.0.2.1/tcp/1'], seenAt: 3_000, protocols: ['/a'] }])
      await store.peers.save([{ ...seen, multiaddrs: [], seenAt: 2_000, agent: 'go' }])
      expect(await store.peers.get(someAuthor)).toMatchObject({
        addresses: [
          { multiaddr: '/ip4/192.0.2.2/tcp/1', source: 'learnt' },
          { multiaddr: '/ip4/192.0.2.1/tcp/1', source: 'rest' },
        ],
        agent: 'go',
        protocols: ['/a'],
        firstSeen: 1_000,
        lastSeen: 3_000,
      })
    })

    test('keeps the newest 16 addresses', async () => {
      const store = await open()
      for (let port = 1; port <= 20; port++) await store.peers.save([{ ...seen, multiaddrs: [`/ip4/192.0.2.1/tcp/${port}`] }])
      const { addresses } = (await store.peers.get(someAuthor)) ?? { addresses: [] }
      expect(addresses.map(({ multiaddr }) => multiaddr)).toEqual(
        Array.from({ length: 16 }, (_, index) => `/ip4/192.0.2.1/tcp/${20 - index}`),
      )
    })

    test('takes several sightings of one peer at once', async () => {
      const store = await open()
      await store.peers.save([seen, { ...seen, seenAt: 5_000 }, { ...seen, peerId: otherAuthor }])
      expect(await store.peers.get(someAuthor)).toMatchObject({ firstSeen: 1_000, lastSeen: 5_000 })
      expect(await store.peers.list({ limit: 10 })).toHaveLength(2)
    })

    test('keeps what the operator says, whatever is learnt', async () => {
      const store = await open()
      expect(await store.peers.annotate(someAuthor, { blocked: true })).toMatchObject({ peerId: someAuthor, blocked: true, label: null })
      await store.peers.save([seen])
      expect(await store.peers.annotate(someAuthor, { label: 'printer' })).toMatchObject({ blocked: true, label: 'printer' })
      expect(await store.peers.annotate(someAuthor, { label: null, blocked: false })).toMatchObject({ blocked: false, label: null })
      expect(await store.peers.annotate(someAuthor, {})).toMatchObject({ blocked: false, label: null })
    })

    test('counts those with a label or a block, up to a number', async () => {
      const store = await open()
      await store.peers.save(['a', 'b', 'c', 'd'].map((peerId) => ({ ...seen, peerId })))
      expect(await store.peers.countAnnotated(5)).toBe(0)
      await store.peers.annotate('a', { label: 'printer' })
      await store.peers.annotate('b', { blocked: true })
      await store.peers.annotate('c', { label: 'both', blocked: true })
      await store.peers.annotate('d', { label: 'no longer' })
      await store.peers.annotate('d', { label: null })
      expect(await store.peers.countAnnotated(5)).toBe(3)
      expect(await store.peers.countAnnotated(2)).toBe(2)
    })

    test('lists by id, page by page, and by what is asked', async () => {
      const store = await open()
      const ids = ['12D3KooWa', '12D3KooWb', '12D3KooWc']
      await store.peers.save(ids.map((peerId) => ({ ...seen, peerId })))
      await store.peers.annotate('12D3KooWb', { blocked: true })
      const list = async (query: Parameters<Store['peers']['list']>[0]) => (await store.peers.list(query)).map(({ peerId }) => peerId)
      expect(await list({ limit: 10 })).toEqual(ids)
      expect(await list({ limit: 1, after: '12D3KooWa' })).toEqual(['12D3KooWb'])
      expect(await list({ limit: 10, blocked: true })).toEqual(['12D3KooWb'])
      expect(await list({ limit: 10, blocked: false })).toEqual(['12D3KooWa', '12D3KooWc'])
      expect(await list({ limit: 10, peerIds: ['12D3KooWc', 'unknown'] })).toEqual(['12D3KooWc'])
      expect(await list({ limit: 10, peerIds: [] })).toEqual([])
    })

    test('forgets', async () => {
      const store = await open()
      await store.peers.save([seen])
      expect(await store.peers.forget(someAuthor)).toBe(true)
      expect(await store.peers.forget(someAuthor)).toBe(false)
      expect(await store.peers.get(someAuthor)).toBeUndefined()
    })
  })
}
