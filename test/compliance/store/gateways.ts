import { describe, expect, test } from 'vitest'
import type { Store } from '../../../src/store/store.ts'
import { someAuthor } from '../../fixtures/messages.ts'
import { otherAuthor } from './shared.ts'

/** The contract for the gateways of one database. */
export function describeGateways(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('gateways', () => {
    const about = { engine: 'custom', version: '1.2.3', multiaddrs: ['/ip4/192.0.2.7/tcp/7071/ws'], state: 'ready' }

    test('keep what they say of themselves, and are listed by id, over a restart', async () => {
      const store = await open()
      await store.gateways.note({ peerId: someAuthor, about: { ...about, state: 'starting' }, startedAt: 1_000, seenAt: 1_000 })
      await store.gateways.note({ peerId: someAuthor, about, startedAt: 1_000, seenAt: 3_000 })
      await store.gateways.note({ peerId: otherAuthor, about, startedAt: 500, seenAt: 2_000 })
      await store.stop()
      const again = await reopen()
      expect(await again.gateways.list({ seenSince: 0 })).toEqual(
        [
          { peerId: someAuthor, about, startedAt: 1_000, seenAt: 3_000 },
          { peerId: otherAuthor, about, startedAt: 500, seenAt: 2_000 },
        ].toSorted((one, other) => (one.peerId < other.peerId ? -1 : 1)),
      )
      expect((await again.gateways.list({ seenSince: 2_001 })).map(({ peerId }) => peerId)).toEqual([someAuthor])
      await again.gateways.forget({ seenBefore: 2_001 })
      expect((await again.gateways.list({ seenSince: 0 })).map(({ peerId }) => peerId)).toEqual([someAuthor])
    })

    test('hold their ids', async () => {
      const store = await open()
      expect(await store.gateways.claim(someAuthor)).toBe(true)
      expect(await store.gateways.claim(otherAuthor)).toBe(true)
      await store.stop()
      expect(await (await reopen()).gateways.claim(someAuthor)).toBe(true)
    })
  })
}
