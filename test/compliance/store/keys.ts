import { describe, expect, test } from 'vitest'
import type { Store } from '../../../src/store/store.ts'
import { newMessage } from '../../fixtures/messages.ts'

/** The contract for messages published under a key. */
export function describeKeys(open: () => Promise<Store>): void {
  describe('idempotency keys', () => {
    const fingerprint = Uint8Array.from([1, 2, 3])

    async function publishedUnder(store: Store, key: string) {
      const published = await store.log.published(key, 1_000)
      return published === undefined ? undefined : { ...published, fingerprint: Uint8Array.from(published.fingerprint) }
    }

    test('name what was published under them, over a restart', async () => {
      const store = await open()
      const batch = [newMessage('a'), newMessage('b'), newMessage('c'), newMessage('d')]
      const { entries } = await store.log.append(batch, [
        { key: 'one', fingerprint, first: 1, count: 2, createdAt: 1_000, since: 0 },
        { key: 'two', fingerprint: Uint8Array.from([4]), first: 3, count: 1, createdAt: 2_000, since: 0 },
      ])
      await store.log.noteRecipients('one', [3, 4])
      const items = (first: number, recipients: number[]) =>
        recipients.map((count, index) => {
          const message = entries[first + index]?.message
          return { id: message?.id, topic: message?.topic, seq: message?.seq, recipients: count }
        })
      const expected = { epoch: await store.log.epoch(), fingerprint, items: items(1, [3, 4]) }
      expect(await publishedUnder(store, 'one')).toEqual(expected)
      await store.stop()
      await store.start()
      expect(await publishedUnder(store, 'one')).toEqual(expected)
      expect((await store.log.published('two', 0))?.items).toEqual(items(3, [0]))
      expect(await store.log.published('one', 1_001)).toBeUndefined()
      expect(await store.log.published('three', 0)).toBeUndefined()
    })

    test('publish once, whoever looks them up first', async () => {
      const store = await open()
      const keyed = (key: string, since: number, first = 0) => ({ key, fingerprint, first, count: 1, createdAt: 1_000, since })
      await store.log.append([newMessage('a')], [keyed('one', 0)])
      const [refused, stored] = [newMessage('a'), newMessage('a')]
      const again = await store.log.append([refused, stored], [keyed('one', 1_000), keyed('two', 0, 1)])
      expect(again.takenKeys).toEqual(['one'])
      expect(again.entries[0]).toEqual({ message: undefined, known: true })
      expect(again.entries[1]).toMatchObject({ known: false, message: { id: stored.id } })
      expect(await store.log.get(refused.id)).toBeUndefined()
      expect((await store.log.published('two', 0))?.items.map(({ id }) => id)).toEqual([stored.id])
      const later = await store.log.append([refused], [keyed('one', 1_001)])
      expect(later.takenKeys).toEqual([])
      expect((await store.log.published('one', 0))?.items.map(({ id }) => id)).toEqual([refused.id])
    })

    test('are counted by how they begin, up to a limit', async () => {
      const store = await open()
      const keys = ['tok_a x 1', 'tok_a x 2', 'tok_a y 1', 'tok_ab x 1', 'tok_a', 'sub:a%20b x', 'sub:a x']
      const keyed = keys.map((key, first) => ({ key, fingerprint, first, count: 1, createdAt: 1_000, since: 0 }))
      await store.log.append(
        keys.map(() => newMessage('a')),
        keyed,
      )
      const prefixes = ['tok_a ', 'tok_ab ', 'tok_b ', 'sub:a ', 'sub:a%20b ']
      expect(await Promise.all(prefixes.map((prefix) => store.log.countKeys(prefix, 100)))).toEqual([3, 1, 0, 1, 1])
      expect(await store.log.countKeys('tok_a ', 2)).toBe(2)
    })

    test('are forgotten, oldest first', async () => {
      const store = await open()
      for (const [index, key] of ['one', 'two', 'three'].entries()) {
        await store.log.append([newMessage('a')], [{ key, fingerprint, first: 0, count: 1, createdAt: index, since: 0 }])
      }
      expect(await store.log.forget({ now: 1, idsBefore: 0, keysBefore: 2, limit: 1 })).toBe(1)
      expect(await store.log.published('one', 0)).toBeUndefined()
      expect(await store.log.forget({ now: 1, idsBefore: 0, keysBefore: 2, limit: 10 })).toBe(1)
      expect(await store.log.published('three', 0)).toBeDefined()
    })
  })
}
