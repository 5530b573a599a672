import { describe, expect, test } from 'vitest'
import type { NewDelivery } from '../../../src/store/delivery-store.ts'
import type { Store } from '../../../src/store/store.ts'

/** The contract for direct messages that are to be sent. */
export function describeDeliveries(open: () => Promise<Store>, reopen: () => Promise<Store>): void {
  describe('deliveries', () => {
    const delivery = (id: string, to: string, fields: Partial<NewDelivery> = {}): NewDelivery => ({
      ...{
        id,
        messageId: `message ${id}`,
        client: 'tok_1',
        to,
        envelope: Buffer.from(`envelope ${id}`),
        expiresAt: 10_000,
        createdAt: 1_000,
      },
      ...fields,
    })
    const add = async (store: Store, ...all: NewDelivery[]) => {
      for (const each of all) await store.deliveries.add(each, 0)
    }
    const claim = (store: Store, now: number, by = 'a') => store.deliveries.claim({ by, client: 'tok_1', now, until: now + 100, limit: 10 })

    test('are listed by id, recipient, state and time, and keep all that they say, over a restart', async () => {
      const store = await open()
      await add(store, delivery('1', 'x'), delivery('2', 'y', { createdAt: 2_000 }), delivery('3', 'x', { createdAt: 3_000 }))
      expect(await store.deliveries.end('1', { state: 'refused', lastError: 'not wanted', now: 4_000 })).toBe(true)
      await store.stop()
      const { deliveries } = await reopen()
      const ids = async (query: object) => (await deliveries.list({ limit: 10, ...query })).items.map(({ id }) => id)
      expect(await ids({})).toEqual(['1', '2', '3'])
      expect(await ids({ after: '1', limit: 1 })).toEqual(['2'])
      expect((await deliveries.list({ limit: 2 })).next).toBe('2')
      expect((await deliveries.list({ after: '2', limit: 1, updatedSince: 0 })).next).toBeNull()
      expect(await ids({ to: 'x' })).toEqual(['1', '3'])
      expect(await ids({ state: 'queued' })).toEqual(['2', '3'])
      expect(await ids({ updatedSince: 3_000 })).toEqual(['1', '3'])
      expect(await deliveries.get('1')).toEqual({
        ...{ id: '1', messageId: 'message 1', to: 'x', state: 'refused', attempts: 0, lastError: 'not wanted', bytes: 10 },
        ...{ expiresAt: 10_000, createdAt: 1_000, updatedAt: 4_000 },
      })
      expect(await deliveries.get('4')).toBeUndefined()
      expect(await deliveries.queued()).toEqual([{ client: 'tok_1', deliveries: 2, bytes: 20 }])
    })

    test('are counted by client while they are queued', async () => {
      const store = await open()
      const mine = { client: 'address 2001:db8:0:0::/64' }
      await add(store, delivery('1', 'x'), delivery('2', 'y', mine), delivery('3', 'x'), delivery('4', 'z', mine))
      await store.deliveries.end('4', { state: 'cancelled', now: 2_000 })
      expect((await store.deliveries.queued()).toSorted((one, other) => one.deliveries - other.deliveries)).toEqual([
        { ...mine, deliveries: 1, bytes: 10 },
        { client: 'tok_1', deliveries: 2, bytes: 20 },
      ])
      for (const id of ['1', '2', '3']) await store.deliveries.end(id, { state: 'cancelled', now: 2_000 })
      expect(await store.deliveries.queued()).toEqual([])
    })

    test('are made once by a key, until it is old', async () => {
      const { deliveries } = await open()
      const keyed = (id: string) => delivery(id, 'x', { idempotency: { key: 'k', fingerprint: Buffer.from('f') } })
      expect(await deliveries.add(keyed('1'), 500)).toMatchObject({ known: false, delivery: { id: '1' } })
      const again = await deliveries.add(keyed('2'), 1_000)
      expect([again.known, again.delivery.id, Buffer.from(again.fingerprint ?? []).toString()]).toEqual([true, '1', 'f'])
      expect(await deliveries.get('2')).toBeUndefined()
      expect(await deliveries.underKey('k', 1_000)).toMatchObject({ delivery: { id: '1' }, fingerprint: again.fingerprint })
      expect([await deliveries.underKey('k', 1_001), await deliveries.underKey('l', 0)]).toEqual([undefined, undefined])
      expect(await deliveries.add(keyed('3'), 1_001)).toMatchObject({ known: false, delivery: { id: '3' } })
    })

    test('are counted by how their keys begin and by age, up to a limit', async () => {
      const { deliveries } = await open()
      const fingerprint = Buffer.from('f')
      for (const [index, key] of ['tok_a x 1', 'tok_a x 2', 'tok_ab x 1', 'tok_a'].entries())
        await deliveries.add({ ...delivery(String(index), 'x'), idempotency: { key, fingerprint } }, 0)
      await deliveries.add(delivery('without', 'x'), 0)
      const { createdAt } = delivery('any', 'x')
      expect(await Promise.all(['tok_a ', 'tok_ab ', 'tok_b '].map((each) => deliveries.countKeys(each, 0, 100)))).toEqual([2, 1, 0])
      expect([await deliveries.countKeys('tok_a ', createdAt + 1, 100), await deliveries.countKeys('tok_a ', createdAt, 1)]).toEqual([0, 1])
    })

    test('are sent in order, by one gateway at a time for each recipient', async () => {
      const store = await open()
      const { deliveries } = store
      await add(store, delivery('1', 'x'), delivery('2', 'y'), delivery('3', 'x'))
      expect(await claim(store, 999)).toEqual([])
      expect((await claim(store, 1_000)).toSorted()).toEqual(['x', 'y'])
      expect(await claim(store, 1_050, 'b')).toEqual([])
      expect((await claim(store, 1_100, 'b')).toSorted()).toEqual(['x', 'y'])
      expect(await deliveries.renew({ by: 'a', recipient: 'x', until: 9_000 })).toBe(false)
      expect(await deliveries.renew({ by: 'b', recipient: 'x', until: 1_300 })).toBe(true)
      expect(await claim(store, 1_250)).toEqual(['y'])
      const next = await deliveries.next({ recipient: 'x', now: 1_000, limit: 10, maxBytes: 1_000 })
      expect(next.map(({ id, envelope }) => [id, Buffer.from(envelope ?? []).toString()])).toEqual([
        ['1', 'envelope 1'],
        ['3', 'envelope 3'],
      ])
      for (const maxBytes of [1, 19]) expect(await deliveries.next({ recipient: 'x', now: 1_000, limit: 10, maxBytes })).toHaveLength(1)
      expect(await deliveries.next({ recipient: 'x', now: 1_000, limit: 10, maxBytes: 20 })).toHaveLength(2)
      expect(await deliveries.end('1', { state: 'delivered', now: 2_000 })).toBe(true)
      expect(await deliveries.end('1', { state: 'cancelled', now: 2_000 })).toBe(false)
      expect((await deliveries.next({ recipient: 'x', now: 1_000, limit: 10, maxBytes: 1_000 })).map(({ id }) => id)).toEqual(['3'])
    })

    test('wait after a failure, and are taken by who has a link to the recipient', async () => {
      const store = await open()
      const { deliveries } = store
      await add(store, delivery('1', 'x'))
      await claim(store, 1_000)
      await deliveries.failed({ by: 'a', recipient: 'x', id: '1', lastError: 'away', dueAt: 5_000, now: 1_100 })
      expect(await deliveries.get('1')).toMatchObject({ attempts: 1, lastError: 'away', updatedAt: 1_100, state: 'queued' })
      expect(await deliveries.attempts('x')).toBe(1)
      await add(store, delivery('2', 'x', { createdAt: 1_200 }))
      expect(await claim(store, 4_999)).toEqual([])
      expect(await deliveries.take({ by: 'b', recipient: 'x', until: 2_500 })).toBe('tok_1')
      expect(await deliveries.take({ by: 'a', recipient: 'x', until: 2_500 })).toBe('tok_1')
      expect(await deliveries.renew({ by: 'b', recipient: 'x', until: 9_000 })).toBe(false)
      await deliveries.failed({ by: 'b', recipient: 'x', id: '1', lastError: 'too late', dueAt: 9_000, now: 2_000 })
      expect(await deliveries.renew({ by: 'a', recipient: 'x', until: 2_500 })).toBe(true)
      for (const id of ['1', '2']) await deliveries.end(id, { state: 'delivered', now: 2_000 })
      await deliveries.release({ by: 'a', recipient: 'x' })
      expect(await deliveries.attempts('x')).toBe(0)
      expect(await claim(store, 900_000)).toEqual([])
      expect(await deliveries.take({ by: 'a', recipient: 'x', until: 900_001 })).toBeUndefined()
      expect(await deliveries.take({ by: 'a', recipient: 'nobody', until: 900_001 })).toBeUndefined()
    })

    test('are due by client: of who was the first to send to the recipient, or of whom it was claimed for', async () => {
      const store = await open()
      const { deliveries } = store
      const [mine, theirs] = [{ client: 'address 2001:db8::/64' }, { client: 'tok_2' }]
      await add(store, delivery('1', 'x'), delivery('2', 'x', mine), delivery('3', 'y', mine), delivery('4', 'z', { createdAt: 2_000 }))
      await add(store, delivery('5', 'w', theirs))
      const due = (now: number, after = '', limit = 10) => deliveries.clientsDue({ now, after, limit })
      expect(await due(999)).toEqual([])
      expect(await due(1_000)).toEqual([mine.client, 'tok_1', 'tok_2'])
      expect(await due(1_000, 'tok_1')).toEqual(['tok_2', mine.client, 'tok_1'])
      expect(await due(1_000, '', 2)).toEqual([mine.client, 'tok_1'])
      const claimFor = (client: string, recipient: string, now: number) =>
        deliveries.claimFor({ by: 'a', client, recipient, now, until: now + 100 })
      expect(await claimFor('tok_2', 'z', 1_999)).toBe(false)
      expect(await claimFor('tok_2', 'nobody', 2_000)).toBe(false)
      expect(await claimFor('tok_2', 'x', 1_000)).toBe(true)
      expect(await claimFor('tok_2', 'x', 1_000)).toBe(false)
      expect(await claim(store, 1_000)).toEqual([])
      expect(await due(1_000)).toEqual([mine.client, 'tok_2'])
      expect(await deliveries.take({ by: 'b', recipient: 'x', until: 1_000 })).toBe('tok_2')
      for (const id of ['1', '2', '3']) await deliveries.end(id, { state: 'cancelled', now: 1_000 })
      await deliveries.release({ by: 'b', recipient: 'x' })
      expect(await due(1_000)).toEqual([mine.client, 'tok_2'])
      await add(store, delivery('6', 'x', { ...mine, createdAt: 1_001 }))
      expect(await deliveries.take({ by: 'b', recipient: 'x', until: 1_001 })).toBe(mine.client)
    })

    test('are left by a gateway that starts anew, and kept by the others', async () => {
      const store = await open()
      const { deliveries } = store
      await add(store, delivery('1', 'x'), delivery('2', 'y', { createdAt: 1_001 }))
      expect(await claim(store, 1_000, 'a')).toEqual(['x'])
      expect(await claim(store, 1_001, 'b')).toEqual(['y'])
      await deliveries.disown('a')
      expect(await deliveries.renew({ by: 'a', recipient: 'x', until: 9_000 })).toBe(false)
      expect(await claim(store, 1_002, 'a')).toEqual(['x'])
      expect(await deliveries.renew({ by: 'b', recipient: 'y', until: 9_000 })).toBe(true)
    })

    test('are due again when one came during the release', async () => {
      const store = await open()
      const { deliveries } = store
      await add(store, delivery('1', 'x'))
      await claim(store, 1_000)
      await deliveries.end('1', { state: 'delivered', now: 1_000 })
      await add(store, delivery('2', 'x'))
      await deliveries.release({ by: 'a', recipient: 'x' })
      expect(await claim(store, 1_001)).toEqual(['x'])
      await deliveries.settle(2_000)
      expect(await claim(store, 2_000)).toEqual(['x'])
    })

    test('expire, and are forgotten some time after their end', async () => {
      const store = await open()
      const { deliveries } = store
      await add(store, delivery('1', 'x', { expiresAt: 2_000 }), delivery('2', 'x'))
      expect((await deliveries.next({ recipient: 'x', now: 2_000, limit: 9, maxBytes: 1_000 })).map(({ id }) => id)).toEqual(['2'])
      expect(await deliveries.expire({ now: 2_000, limit: 9 })).toMatchObject([{ id: '1', state: 'expired', updatedAt: 2_000 }])
      expect(await deliveries.expire({ now: 2_000, limit: 9 })).toEqual([])
      expect(await deliveries.forget({ before: 2_000, limit: 9 })).toBe(0)
      expect(await deliveries.forget({ before: 9_000, limit: 9 })).toBe(1)
      expect((await deliveries.list({ limit: 9 })).items.map(({ id }) => id)).toEqual(['2'])
    })
  })
}
