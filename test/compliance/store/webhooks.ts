import { describe, expect, test } from 'vitest'
import type { Store } from '../../../src/store/store.ts'
import type { NewWebhook, WebhookProgress } from '../../../src/store/webhook-store.ts'

/** The contract for webhooks. */
export function describeWebhooks(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('webhooks', () => {
    const roomy = { max: 100, maxOfClient: 100 }
    const progress: WebhookProgress = { cursor: 'a.1', gaps: [], attempts: 0, failures: 0 }
    const webhook = (id: string, fields: Partial<NewWebhook> = {}): NewWebhook => ({
      ...{ id, owner: 'tok_a', client: 'tok_a', secrets: [{ secret: 'whsec_a' }], progress, rightsUntil: undefined, createdAt: 1_000 },
      settings: {
        ...{ url: 'https://example.com/', topics: ['orders.>'], direct: true, batchSize: 2, batchMs: 0, timeoutMs: 1_000 },
        headers: [{ name: 'x-a', value: 'b' }],
      },
      ...fields,
    })
    const claimed = async (store: Store, by: string, now: number, limit = 10) =>
      (await store.webhooks.claim({ by, now, until: now + 100, limit })).map(({ id }) => id)

    test('are found and listed by owner and id with all that they say, over a restart, until they are removed', async () => {
      const store = await open()
      const gap = { topic: 'orders.a', from: 'a.1', to: 'a.9', reason: 'pruned' as const }
      const far: WebhookProgress = {
        ...{ cursor: 'a.9.2', batch: { id: 'msg_1', through: 'a.12' }, gaps: [gap], lastGap: gap, attempts: 4, failures: 2 },
        ...{ failingSince: 2_000, retryAt: 3_000, lastError: 'HTTP 500', acceptedAt: 1_500 },
      }
      const whole = webhook('1', {
        progress: far,
        rightsUntil: 9_000,
        secrets: [{ secret: 'whsec_b' }, { secret: 'whsec_a', until: 5_000 }],
      })
      for (const each of [whole, webhook('2'), webhook('3', { owner: 'tok_b' })]) expect(await store.webhooks.add(each, roomy)).toBe(true)
      await store.stop()
      const { webhooks } = await reopen()
      expect(await webhooks.get('1')).toEqual({ ...whole, state: 'active', revision: 0 })
      const ids = async (query: object) => (await webhooks.list({ limit: 10, ...query })).map(({ id }) => id)
      expect([await ids({}), await ids({ after: '1', limit: 1 }), await ids({ owner: 'tok_a' })]).toEqual([
        ['1', '2', '3'],
        ['2'],
        ['1', '2'],
      ])
      expect([await webhooks.remove('1'), await webhooks.remove('1'), await webhooks.get('1')]).toEqual([true, false, undefined])
    })

    test('are bounded in number, in all and of a client', async () => {
      const { webhooks } = await open()
      const add = (id: string, client: string) => webhooks.add(webhook(id, { client }), { max: 3, maxOfClient: 2 })
      expect([await add('1', 'a'), await add('2', 'a'), await add('3', 'a')]).toEqual([true, true, false])
      expect([await add('3', 'b'), await add('4', 'b')]).toEqual([true, false])
      await webhooks.remove('1')
      expect(await add('4', 'b')).toBe(true)
    })

    test('are claimed by one gateway at a time, until a time or its release', async () => {
      const store = await open()
      const { webhooks } = store
      for (const id of ['1', '2']) await webhooks.add(webhook(id), roomy)
      const both = await Promise.all([claimed(store, 'a', 1_000), claimed(store, 'b', 1_000)])
      expect(both.flat().toSorted()).toEqual(['1', '2'])
      await webhooks.disown('a')
      await webhooks.disown('b')
      expect([await claimed(store, 'a', 1_000, 1), await claimed(store, 'b', 1_000)].flat().toSorted()).toEqual(['1', '2'])
      await webhooks.disown('b')
      await webhooks.disown('a')
      expect(await claimed(store, 'a', 1_000)).toHaveLength(2)
      await webhooks.disown('b')
      expect(await claimed(store, 'b', 1_099)).toEqual([])
      expect(await webhooks.renew({ by: 'a', ids: ['1'], until: 1_200 })).toEqual(['1'])
      expect(await claimed(store, 'b', 1_100)).toEqual(['2'])
      expect(await webhooks.renew({ by: 'a', ids: ['1', '2'], until: 1_300 })).toEqual(['1'])
      await webhooks.release({ by: 'b', id: '1' })
      expect(await claimed(store, 'b', 1_201)).toEqual(['2'])
      await webhooks.release({ by: 'a', id: '1' })
      expect(await claimed(store, 'b', 1_202)).toEqual(['1'])
    })

    test('move only for the gateway that has the claim, and are not claimed while they are paused', async () => {
      const store = await open()
      const { webhooks } = store
      await webhooks.add(webhook('1'), roomy)
      await claimed(store, 'a', 1_000)
      const further = { ...progress, cursor: 'a.2' }
      expect(await webhooks.note({ id: '1', by: 'a', revision: 0 }, { progress: further })).toBe(true)
      expect(await webhooks.note({ id: '1', by: 'b', revision: 0 }, { progress })).toBe(false)
      expect(await webhooks.note({ id: '2', by: 'a', revision: 0 }, { progress })).toBe(false)
      expect(await claimed(store, 'b', 2_000)).toEqual(['1'])
      expect(await webhooks.note({ id: '1', by: 'a', revision: 0 }, { progress })).toBe(false)
      expect(await webhooks.get('1')).toMatchObject({ progress: further })
      expect(await webhooks.note({ id: '1', by: 'b', revision: 0 }, { progress: further, state: 'paused' })).toBe(true)
      await webhooks.release({ by: 'b', id: '1' })
      expect(await claimed(store, 'a', 3_000)).toEqual([])
    })

    test('are changed by one client at a time, and no delivery that began before moves them', async () => {
      const store = await open()
      const { webhooks } = store
      await webhooks.add(webhook('1'), roomy)
      await claimed(store, 'a', 1_000)
      const taken = await webhooks.take({ id: '1', by: 'a change', until: 1_050 })
      expect(taken).toMatchObject({ revision: 1, state: 'active' })
      expect(await webhooks.note({ id: '1', by: 'a', revision: 0 }, { progress: { ...progress, cursor: 'a.7' } })).toBe(false)
      expect(await claimed(store, 'b', 1_049)).toEqual([])
      const settings = { ...webhook('1').settings, url: 'https://example.com/new' }
      expect(await webhooks.change({ id: '1', revision: 0 }, { state: 'paused' })).toBe(false)
      expect(await webhooks.change({ id: '1', revision: 1 }, { settings, secrets: [{ secret: 'whsec_b' }] })).toBe(true)
      expect(await webhooks.get('1')).toMatchObject({ settings, progress, secrets: [{ secret: 'whsec_b' }], revision: 2, state: 'active' })
      expect(await claimed(store, 'a', 1_049)).toEqual(['1'])
      // The gateway has claimed it again, and its delivery that began before the change still goes on.
      const moved = { progress: { ...progress, cursor: 'a.7' } }
      expect([
        await webhooks.note({ id: '1', by: 'a', revision: 0 }, moved),
        await webhooks.note({ id: '1', by: 'a', revision: 2 }, moved),
      ]).toEqual([false, true])
      expect(await webhooks.take({ id: '2', by: 'a change', until: 1_050 })).toBeUndefined()
    })

    test('keep the newest attempts, until they are removed', async () => {
      const { webhooks } = await open()
      await webhooks.add(webhook('1'), roomy)
      const attempt = (number: number) => ({
        number,
        at: 1_000,
        batch: `msg_${number}`,
        messages: 2,
        status: 500,
        durationMs: 3,
        error: 'HTTP 500',
      })
      for (const number of [1, 2, 3, 4]) await webhooks.attempted('1', { ...attempt(number) }, 3)
      expect(await webhooks.attempts('1')).toEqual([attempt(4), attempt(3), attempt(2)])
      await webhooks.remove('1')
      expect(await webhooks.attempts('1')).toEqual([])
    })
  })
}
