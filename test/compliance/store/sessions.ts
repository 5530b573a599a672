import { describe, expect, test } from 'vitest'
import type { SessionRecord } from '../../../src/store/session-store.ts'
import type { Store } from '../../../src/store/store.ts'

/** The contract for sessions of browsers. */
export function describeSessions(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('sessions', () => {
    const roomy = { max: 100, maxOfHolder: 100 }
    const session = (id: string, createdAt: number, more: Partial<SessionRecord> = {}): SessionRecord => ({
      ...{ id, holder: 'tok_a', basis: { kind: 'token', hash: 'ab' }, createdAt, expiresAt: createdAt + 1_000 },
      ...more,
    })

    test('are found by their ids with what they follow from, over a restart, until they are removed', async () => {
      const store = await open()
      const operator = session('b', 2_000, { holder: 'operator', basis: { kind: 'operator', proof: 'cd' } })
      const topics = { exact: ['orders'], patterns: ['news.>'] }
      const subject = session('c', 3_000, { holder: 'sub:ann', basis: { kind: 'subject', actions: ['read'], topics } })
      for (const each of [session('a', 1_000), operator, subject]) expect(await store.sessions.add(each, roomy)).toBe(true)
      await store.stop()
      const again = await reopen()
      const found = await Promise.all(['a', 'b', 'c', 'd'].map((id) => again.sessions.find(id)))
      expect(found).toEqual([session('a', 1_000), operator, subject, undefined])
      expect([await again.sessions.remove('b'), await again.sessions.remove('b')]).toEqual([true, false])
      expect(await again.sessions.find('b')).toBeUndefined()
      expect(await again.sessions.missing(['a', 'b', 'c'])).toEqual(['b'])
    })

    test('of a holder are bounded in number, the oldest go first; and so are all, beyond which none is added', async () => {
      const store = await open()
      const limits = { max: 4, maxOfHolder: 3 }
      for (const [index, id] of ['a', 'b', 'c', 'd'].entries()) await store.sessions.add(session(id, 1_000 + index), limits)
      expect(await store.sessions.missing(['a', 'b', 'c', 'd'])).toEqual(['a'])
      expect(await store.sessions.add(session('e', 2_000, { holder: 'tok_b' }), limits)).toBe(true)
      expect(await store.sessions.add(session('f', 2_000, { holder: 'tok_c' }), limits)).toBe(false)
      expect(await store.sessions.add(session('g', 2_000), limits)).toBe(true)
      expect(await store.sessions.missing(['b', 'c', 'd', 'e', 'f', 'g'])).toEqual(['b', 'f'])
    })

    test('end with their token, and are forgotten when they have expired', async () => {
      const store = await open()
      const token = {
        name: 'a',
        hash: Buffer.alloc(32, 1),
        actions: ['read'],
        topics: ['>'],
        createdAt: 1,
        expiresAt: undefined,
        lastUsedAt: undefined,
      }
      await store.tokens.add({ id: 'tok_a', ...token })
      for (const each of [session('a', 1_000), session('b', 2_000, { holder: 'tok_b' }), session('c', 3_000, { holder: 'tok_b' })])
        await store.sessions.add(each, roomy)
      await store.tokens.remove('tok_a')
      expect(await store.sessions.missing(['a', 'b', 'c'])).toEqual(['a'])
      expect(await store.sessions.forget({ before: 3_001, limit: 10 })).toBe(1)
      expect(await store.sessions.forget({ before: 3_001, limit: 10 })).toBe(0)
      expect(await store.sessions.missing(['b', 'c'])).toEqual(['b'])
    })
  })
}
