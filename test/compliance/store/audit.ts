import { describe, expect, test } from 'vitest'
import type { Store } from '../../../src/store/store.ts'

/** The contract for the audit log. */
export function describeAudit(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('the audit log', () => {
    test('lists the newest first, page by page, over a restart, and forgets the oldest', async () => {
      const store = await open()
      const entries = [1, 2, 3, 4].map((number) => ({ id: `0${number}`, at: number * 1_000, actor: 'a', act: 'b', detail: { number } }))
      for (const entry of entries) await store.audit.note(entry)
      await store.stop()
      const again = await reopen()
      expect(await again.audit.list({ limit: 2 })).toEqual([entries[3], entries[2]])
      expect(await again.audit.list({ before: '03', limit: 9 })).toEqual([entries[1], entries[0]])
      expect(await again.audit.forget({ before: 3_000, limit: 1 })).toBe(1)
      expect(await again.audit.forget({ before: 3_000, limit: 9 })).toBe(1)
      expect((await again.audit.list({ limit: 9 })).map(({ id }) => id)).toEqual(['04', '03'])
    })
  })
}
