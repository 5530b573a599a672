import { describe, expect, test } from 'vitest'
import type { Store } from '../../../src/store/store.ts'

/** The contract for records of engines. */
export function describeRecords(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('records', () => {
    test('writes, replaces, deletes and lists by prefix, over a restart', async () => {
      const store = await open()
      const bytes = (text: string) => Uint8Array.from(Buffer.from(text))
      await store.records.write([
        { key: '/peers/b', value: bytes('1') },
        { key: '/peers/a', value: bytes('2') },
        { key: '/other', value: bytes('3') },
        { key: '/peers/b', value: bytes('4') },
        { key: '/gone', value: bytes('5') },
      ])
      await store.records.write([{ key: '/gone' }, { key: '/never' }])
      await store.records.write([])
      await store.stop()
      const again = await reopen()
      expect(Buffer.from((await again.records.get('/peers/b')) ?? []).toString()).toBe('4')
      expect(await again.records.get('/gone')).toBeUndefined()
      expect((await again.records.list('/peers/')).map(({ key, value }) => [key, Buffer.from(value).toString()])).toEqual([
        ['/peers/a', '2'],
        ['/peers/b', '4'],
      ])
      expect(await again.records.list('/peers/%')).toEqual([])
    })
  })
}
