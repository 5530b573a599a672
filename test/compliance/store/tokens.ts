import { describe, expect, test } from 'vitest'
import type { Store } from '../../../src/store/store.ts'

/** The contract for tokens. */
export function describeTokens(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('tokens', () => {
    const token = (id: string, createdAt: number, expiresAt?: number) => ({
      id,
      name: `token ${id}`,
      hash: Uint8Array.from(Buffer.from(id.padEnd(32, id).slice(0, 32))),
      actions: ['read', 'publish'],
      topics: ['orders', 'news.*'],
      createdAt,
      expiresAt,
      lastUsedAt: undefined,
    })

    test('are found by the hash of their secret, and listed in the order in which they were made, over a restart', async () => {
      const store = await open()
      for (const each of [token('b', 2_000, 9_000), token('a', 1_000)]) await store.tokens.add(each)
      await store.stop()
      const again = await reopen()
      expect((await again.tokens.list()).map((each) => ({ ...each, hash: Uint8Array.from(each.hash) }))).toEqual(
        expect.arrayContaining([token('a', 1_000), token('b', 2_000, 9_000)]),
      )
      expect((await again.tokens.find(token('b', 0).hash))?.id).toBe('b')
      expect(await again.tokens.find(token('c', 0).hash)).toBeUndefined()
      expect([await again.tokens.remove('b'), await again.tokens.remove('b')]).toEqual(['removed', 'unknown'])
      expect(await again.tokens.find(token('b', 0).hash)).toBeUndefined()
    })

    test('are read page by page in the order in which they were made, also after one that is gone, and renamed', async () => {
      const store = await open()
      for (const each of [token('d', 2_000), token('b', 1_000), token('a', 2_000), token('c', 1_000)]) await store.tokens.add(each)
      const page = async (after?: { createdAt: number; id: string }) =>
        (await store.tokens.page({ ...(after && { after }), limit: 3 })).map(({ id }) => id)
      expect(await page()).toEqual(['b', 'c', 'a'])
      expect(await page({ createdAt: 1_000, id: 'c' })).toEqual(['a', 'd'])
      await store.tokens.remove('a')
      expect(await page({ createdAt: 2_000, id: 'a' })).toEqual(['d'])
      expect(await page({ createdAt: 2_000, id: 'd' })).toEqual([])
      expect([await store.tokens.rename('d', 'new'), await store.tokens.rename('e', 'new')]).toEqual([true, false])
      expect([(await store.tokens.get('d'))?.name, await store.tokens.get('e')]).toEqual(['new', undefined])
    })

    test('keep the time of their last use, which only later ones change, over a restart', async () => {
      const store = await open()
      for (const id of ['a', 'b']) await store.tokens.add(token(id, 1_000))
      await store.tokens.used(
        new Map([
          ['a', 5_000],
          ['gone', 6_000],
        ]),
      )
      await store.tokens.used(
        new Map([
          ['b', 7_000],
          ['a', 4_000],
        ]),
      )
      await store.tokens.used(new Map())
      await store.stop()
      const { tokens } = await reopen()
      expect((await tokens.list()).map(({ id, lastUsedAt }) => [id, lastUsedAt])).toEqual([
        ['a', 5_000],
        ['b', 7_000],
      ])
      expect((await tokens.find(token('a', 0).hash))?.lastUsedAt).toBe(5_000)
    })

    test('are added when there is another, and removed when one that administers and does not expire stays', async () => {
      const { tokens } = await open()
      const admin = (id: string, expiresAt?: number) => ({ ...token(id, 1_000, expiresAt), actions: ['read', 'admin'] })
      expect(await tokens.add(token('a', 1_000), { needsOther: true })).toBe('refused')
      expect(await tokens.list()).toEqual([])
      expect(await tokens.add(admin('b'), {})).toBe('added')
      expect(await tokens.add(token('a', 1_000), { needsOther: true })).toBe('added')
      expect(await tokens.add(admin('c', 9_000))).toBe('added')
      expect(await tokens.remove('b', { keepsAdmin: true })).toBe('refused')
      expect(await tokens.remove('none', { keepsAdmin: true })).toBe('unknown')
      expect(await tokens.remove('a', { keepsAdmin: true })).toBe('removed')
      expect(await tokens.add(admin('d'))).toBe('added')
      expect(await tokens.remove('b', { keepsAdmin: true })).toBe('removed')
      expect(await tokens.missing(['a', 'b', 'c', 'd', 'none'])).toEqual(['a', 'b', 'none'])
      expect(await tokens.remove('d')).toBe('removed')
    })

    test('are bounded in number: those that expired give their places, the longest expired first, with their sessions', async () => {
      const store = await open()
      const { tokens, sessions } = store
      for (const each of [token('a', 1_000), token('b', 1_000, 4_000), token('c', 1_000, 3_000)]) {
        expect(await tokens.add(each, { max: 3 })).toBe('added')
      }
      const session = { id: 'of c', holder: 'c', basis: { kind: 'token' as const, hash: '' }, createdAt: 1, expiresAt: 9_000 }
      await sessions.add(session, { max: 10, maxOfHolder: 10 })
      expect(await tokens.add(token('d', 2_999), { max: 3 })).toBe('full')
      expect(await tokens.add(token('d', 5_000), { max: 3 })).toBe('added')
      expect((await tokens.list()).map(({ id }) => id).toSorted()).toEqual(['a', 'b', 'd'])
      expect(await sessions.find('of c')).toBeUndefined()
      expect(await tokens.add(token('e', 5_000), { max: 3 })).toBe('added')
      expect(await tokens.add(token('f', 5_000), { max: 3 })).toBe('full')
      expect((await tokens.list()).map(({ id }) => id).toSorted()).toEqual(['a', 'd', 'e'])
    })

    test('are created once by a key, whichever process asks, and noted with it as they were; an old key creates again', async () => {
      const stores = [await open(), await reopen()]
      const key = (createdAt: number, since: number) => ({ key: 'a token k', fingerprint: Uint8Array.of(7), createdAt, since })
      const add = async (store: Store, id: string, at: number) => await store.tokens.add(token(id, at, 9_000), { key: key(at, at - 1_000) })
      expect(await Promise.all(stores.map((store, index) => add(store, `t${index}`, 5_000)))).toEqual(
        expect.arrayContaining(['added', 'known']),
      )
      const [store, other] = stores
      if (store === undefined || other === undefined) throw new Error('there are two')
      const [made, ...more] = await store.tokens.list()
      expect([made?.id, more]).toEqual([expect.stringMatching('^t[01]$'), []])
      const { hash: _, lastUsedAt: __, ...view } = token(made?.id ?? '', 5_000, 9_000)
      await store.tokens.rename(view.id, 'renamed')
      await store.tokens.remove(view.id)
      const noted = await other.tokens.createdUnder('a token k', 5_000)
      expect({ ...noted, fingerprint: Uint8Array.from(noted?.fingerprint ?? []) }).toEqual({ fingerprint: Uint8Array.of(7), token: view })
      expect(await store.tokens.createdUnder('a token k', 5_001)).toBeUndefined()
      expect(await store.tokens.createdUnder('a token other', 0)).toBeUndefined()
      expect([await add(other, 'b', 6_000), await add(other, 'b', 6_001)]).toEqual(['known', 'added'])
      expect(await store.tokens.add(token('c', 1), { key: { ...key(7_000, 0), key: 'a token c' }, max: 1 })).toBe('full')
      expect(await store.tokens.createdUnder('a token c', 0)).toBeUndefined()
      expect([await store.log.countKeys('a token ', 10), await store.log.countKeys('a publish ', 10)]).toEqual([1, 0])
      await store.stop()
      expect((await other.tokens.createdUnder('a token k', 6_001))?.token.id).toBe('b')
    })

    test('are changed one after another, whichever process asks: of two that are to be the only one, one is, of the last two one stays', async () => {
      const stores = [await open(), await reopen()]
      for (let round = 0; round < 10; round++) {
        const ids = [`one ${round}`, `other ${round}`]
        const admin = (index: number) => ({ ...token(ids[index] ?? '', round), actions: ['admin'] })
        const added = await Promise.all(stores.map((store, index) => store.tokens.add(admin(index), { max: 1 })))
        expect(added.toSorted()).toEqual(['added', 'full'])
        await Promise.all(stores.map((store, index) => added[index] === 'added' || store.tokens.add(admin(index), { needsOther: true })))
        const removed = await Promise.all(stores.map((store, index) => store.tokens.remove(ids[index] ?? '', { keepsAdmin: true })))
        expect(removed.toSorted()).toEqual(['refused', 'removed'])
        await Promise.all(ids.map((id) => stores[0]?.tokens.remove(id)))
      }
    })
  })
}
