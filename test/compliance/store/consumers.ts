import { describe, expect, test } from 'vitest'
import type { ConsumerRecord, ConsumerSettings, FreshMessages, ItemVerdict, TakeQuery } from '../../../src/store/consumer-store.ts'
import type { Store } from '../../../src/store/store.ts'
import type { Spoilt } from './spoilt.ts'

const settings: ConsumerSettings = {
  ...{ topics: ['orders.>'], direct: false, order: 'none', ackWaitMs: 30_000, maxUnacked: 100, maxDeliveries: 0, backoffMs: 1_000 },
}

/** The contract for consumers and their items. */
export function describeConsumers(open: () => Promise<Store>, reopen: () => Promise<Store>, spoil: (what: Spoilt) => Promise<void>): void {
  describe('consumers', () => {
    const record = (name: string, fields: Partial<ConsumerSettings> = {}): ConsumerRecord => ({
      ...{ name, client: 'tok_1', settings: { ...settings, ...fields }, createdAt: 1_000, position: 10, prunedSince: 2 },
      ...{ gaps: 0, lastGap: null },
    })

    /** Messages `m11`, `m12`, … after position 10. Lanes are repeated. */
    function fresh(count: number, lanes: Array<string | null> = [null]): FreshMessages {
      const items = Array.from({ length: count }, (_, index) => ({
        ...{ id: `m${11 + index}`, seq: 11 + index, lane: lanes[index % lanes.length] ?? null },
      }))
      return { from: 10, through: 10 + count, prunedSince: 2, items }
    }

    async function opened(fields: Partial<ConsumerSettings> = {}, messages?: FreshMessages) {
      const store = await open()
      await store.consumers.create(record('c', fields))
      const { consumers } = store
      const take = async (query: Partial<TakeQuery> = {}) => {
        const taken = await consumers.take({
          name: 'c',
          createdAt: 1_000,
          by: 'g',
          claim: 'one',
          now: 100,
          until: 200,
          limit: 100,
          ...query,
        })
        if (taken === undefined) throw new Error('the consumer is gone')
        return taken
      }
      const ids = async (query: Partial<TakeQuery> = {}) => (await take(query)).items.map(({ id }) => id)
      const settle = async (...verdicts: ItemVerdict[]) => {
        const settled = await consumers.settle({ name: 'c', createdAt: 1_000, verdicts })
        if (settled === undefined) throw new Error('the consumer is gone')
        return settled
      }
      if (messages !== undefined) await take({ fresh: messages, limit: 0 })
      return { store, consumers, take, ids, settle }
    }

    const retry = (id: string, dueAt: number, claim = 'one'): ItemVerdict => ({ id, claim, verdict: 'retry', dueAt: () => dueAt })

    test('are created once, changed and removed with their items, and keep all that they say, over a restart', async () => {
      const { store, consumers, take } = await opened({}, fresh(1))
      await consumers.create(record('b', { order: 'author' }))
      expect(await consumers.create({ ...record('c', { maxUnacked: 1 }), client: 'tok_2' })).toMatchObject({
        ...{ created: false, consumer: { client: 'tok_1', settings } },
      })
      await store.stop()
      const again = (await reopen()).consumers
      expect(await again.list()).toEqual([record('b', { order: 'author' }), { ...record('c'), position: 11 }])
      expect(await again.get('a')).toBeUndefined()
      const changed = { ...settings, maxUnacked: 7 }
      const before = { ...record('c'), position: 11 }
      expect([await again.configure(before, changed), await again.configure(record('a'), changed)]).toEqual([true, false])
      expect([
        await again.configure(before, settings),
        await again.configure({ ...before, settings: changed, createdAt: 2 }, settings),
      ]).toEqual([...[false, false]])
      expect((await again.get('c'))?.settings).toEqual(changed)
      expect([await again.remove('c'), await again.remove('c')]).toEqual([true, false])
      expect(await again.take({ name: 'c', createdAt: 1_000, by: 'g', claim: 'one', now: 1, until: 2, limit: 1 })).toBeUndefined()
      await again.create(record('c'))
      expect(await again.count({ name: 'c', now: 1 })).toEqual({ waiting: 0, claimed: 0, parked: 0 })
      expect(take).toBeDefined()
    })

    test('take messages in once, in the order of the log, and only where their position is', async () => {
      const { take, consumers } = await opened()
      expect(await take({ fresh: fresh(3), limit: 2 })).toEqual({
        items: [
          { id: 'm11', seq: 11, attempt: 1 },
          { id: 'm12', seq: 12, attempt: 1 },
        ],
        ...{ consumer: { ...record('c'), position: 13 }, open: 3, isLeft: true, nextAt: 200, parked: 0 },
      })
      expect(await take({ fresh: fresh(5) })).toMatchObject({ items: [{ id: 'm13' }], consumer: { position: 13 }, open: 3 })
      const more = { from: 13, through: 20, prunedSince: 4, items: [], gap: { from: 13, to: 18 } }
      expect(await take({ fresh: more })).toMatchObject({ items: [], consumer: { position: 20, prunedSince: 4 } })
      expect(await consumers.get('c')).toMatchObject({ position: 20, prunedSince: 4, gaps: 1, lastGap: { from: 13, to: 18 } })
    })

    test('take a message in once, though it comes at another place of the log', async () => {
      const { take, settle } = await opened({}, fresh(2))
      await take({ limit: 1 })
      const again = { from: 12, through: 14, prunedSince: 2, items: [{ id: 'm11', seq: 13, lane: null }] }
      expect(await take({ fresh: again })).toMatchObject({ items: [{ id: 'm12' }], open: 2, consumer: { position: 14 } })
      expect(await settle({ id: 'm11', verdict: 'ack' })).toEqual([true])
    })

    test('claim what was taken in before first, then messages as they come in, up to the limit; the rest waits', async () => {
      const { take, ids, consumers } = await opened({}, fresh(2))
      const items = [13, 14, 15, 16].map((seq) => ({ id: `m${seq}`, seq, lane: null }))
      const more = { from: 12, through: 16, prunedSince: 2, items }
      expect(await take({ fresh: more, limit: 3 })).toMatchObject({
        items: ['m11', 'm12', 'm13'].map((id) => ({ id, attempt: 1 })),
        ...{ open: 6, isLeft: true, nextAt: 200 },
      })
      expect(await consumers.count({ name: 'c', now: 100 })).toEqual({ waiting: 3, claimed: 3, parked: 0 })
      const claims = ['m12', 'm13', 'm14'].map((id) => ({ id, claim: 'one' }))
      expect((await consumers.held({ name: 'c', createdAt: 1_000, claims }))?.toSorted()).toEqual(['m12', 'm13'])
      expect(await take({ limit: 3 })).toMatchObject({ items: [{ id: 'm14' }, { id: 'm15' }, { id: 'm16' }], open: 6, isLeft: false })
      expect(await ids({ now: 200, until: 300, limit: 4 })).toEqual(['m11', 'm12', 'm13', 'm14'])
    })

    /** Consumers `c` and `d` that have the same messages, and the calls for one of them. */
    async function two(fields: Partial<ConsumerSettings> = {}) {
      const { consumers } = await opened(fields, fresh(4, ['a', 'b']))
      await consumers.create(record('d', fields))
      await consumers.take({
        name: 'd',
        createdAt: 1_000,
        by: 'g',
        claim: 'one',
        now: 100,
        until: 200,
        limit: 0,
        fresh: fresh(4, ['a', 'b']),
      })
      const of = (name: string) => ({
        take: async (now: number, limit = 2) =>
          (await consumers.take({ name, createdAt: 1_000, by: 'g', claim: 'one', now, until: now + 100, limit }))?.items.map(
            ({ id }) => id,
          ),
        settle: (verdict: ItemVerdict) => consumers.settle({ name, createdAt: 1_000, verdicts: [verdict] }),
        count: async (now: number) => Object.values(await consumers.count({ name, now })),
        held: async () =>
          (await consumers.held({ name, createdAt: 1_000, claims: fresh(4).items.map(({ id }) => ({ id, claim: 'one' })) }))?.toSorted(),
      })
      return { consumers, c: of('c'), d: of('d') }
    }

    test('leave the items of each other as they are, whatever happens to their own', async () => {
      const { consumers, c, d } = await two()
      expect([await c.take(100), await d.count(100), await d.take(100, 1)]).toEqual([['m11', 'm12'], [4, 0, 0], ['m11']])
      expect([await c.held(), await d.held()]).toEqual([['m11', 'm12'], ['m11']])
      expect(await d.settle({ id: 'm11', claim: 'one', verdict: 'progress', dueAt: 500 })).toEqual([true])
      expect(await c.take(200)).toEqual(['m11', 'm12'])
      expect([await d.settle(retry('m11', 250)), await c.held()]).toEqual([[true], ['m11', 'm12']])
      expect([await d.settle({ id: 'm11', verdict: 'ack' }), await d.settle({ id: 'm11', verdict: 'ack' })]).toEqual([[true], [false]])
      expect([await d.take(250, 1), await c.count(250)]).toEqual([['m12'], [2, 2, 0]])
      await consumers.release({ name: 'd', now: 250, claims: [{ id: 'm12', claim: 'one' }] })
      expect([await d.held(), await c.held()]).toEqual([[], ['m11', 'm12']])
      await consumers.lose('d', ['m12'], { from: 11, to: 12 })
      expect([await d.count(250), await c.count(250)]).toEqual([
        [2, 0, 0],
        [2, 2, 0],
      ])
      await consumers.loseThrough('d', 13)
      expect([await d.count(250), await c.count(250)]).toEqual([
        [1, 0, 0],
        [2, 2, 0],
      ])
      expect([(await consumers.get('d'))?.gaps, (await consumers.get('c'))?.gaps]).toEqual([2, 0])
      for (const gaps of [3, 3]) {
        await consumers.loseThrough('d', 14)
        expect((await consumers.get('d'))?.gaps).toBe(gaps)
      }
    })

    test('park and replay their own items only', async () => {
      const { consumers, c, d } = await two({ maxDeliveries: 1 })
      expect([await c.take(100), await d.take(100)]).toEqual(Array(2).fill(['m11', 'm12']))
      await c.take(200, 0)
      expect([await c.count(200), await d.count(199)]).toEqual([
        [2, 0, 2],
        [2, 2, 0],
      ])
      expect([await consumers.parked({ name: 'd', after: 0, limit: 9 }), await consumers.replay({ name: 'd' })]).toEqual([[], 0])
      await d.take(200, 0)
      expect([await consumers.replay({ name: 'd' }), await c.count(200)]).toEqual([2, [2, 0, 2]])
    })

    test('give an item to one worker at a time, and to another when its time is over', async () => {
      const { ids, take, consumers } = await opened({}, fresh(2))
      expect(await ids({ limit: 1 })).toEqual(['m11'])
      expect(await ids({ by: 'h', now: 199 })).toEqual(['m12'])
      expect(await consumers.count({ name: 'c', now: 199 })).toEqual({ waiting: 0, claimed: 2, parked: 0 })
      expect(await take({ by: 'h', now: 200, until: 300 })).toMatchObject({
        items: [
          { id: 'm11', attempt: 2 },
          { id: 'm12', attempt: 2 },
        ],
      })
      expect(await ids({ now: 299 })).toEqual([])
    })

    test('give each item to one of two gateways that take at once', async () => {
      const { ids } = await opened({}, fresh(40))
      const taken = await Promise.all(Array.from({ length: 8 }, (_, index) => ids({ by: `g${index}`, limit: 5 })))
      expect(taken.flat().toSorted()).toEqual(fresh(40).items.map(({ id }) => id))
    })

    test('have at most so many items claimed', async () => {
      const { ids, settle } = await opened({ maxUnacked: 3 }, fresh(5))
      expect(await ids()).toEqual(['m11', 'm12', 'm13'])
      expect(await ids()).toEqual([])
      await settle({ id: 'm12', verdict: 'ack' })
      expect(await ids()).toEqual(['m14'])
      // Claims that have ended take no place.
      expect(await ids({ now: 200, until: 300 })).toEqual(['m11', 'm13', 'm14'])
    })

    test('settle items for good, claimed or not, and tell which they were', async () => {
      const { settle, ids, consumers } = await opened({}, fresh(3))
      await ids({ limit: 1 })
      const both = { id: 'm11', verdict: 'ack' as const }
      expect(await settle(both, { id: 'm13', verdict: 'drop' }, { id: 'x', verdict: 'ack' }, both)).toEqual([true, true, false, false])
      expect(await settle(both)).toEqual([false])
      expect(await ids({ now: 1_000, until: 2_000 })).toEqual(['m12'])
      expect(await consumers.count({ name: 'c', now: 1_000 })).toEqual({ waiting: 0, claimed: 1, parked: 0 })
    })

    test('hand out again what is retried, when its time has come, and extend what makes progress', async () => {
      const { settle, take, ids } = await opened({}, fresh(3))
      expect(await settle(retry('m11', 1))).toEqual([false])
      await ids()
      const attempts: number[] = []
      const later: ItemVerdict = {
        ...{ id: 'm11', claim: 'one', verdict: 'retry' },
        dueAt(attempt) {
          attempts.push(attempt)
          return 150
        },
      }
      expect(await settle(later, { id: 'm12', claim: 'one', verdict: 'progress', dueAt: 500 })).toEqual([true, true])
      expect(attempts).toEqual([1])
      expect(await take({ now: 149 })).toMatchObject({ items: [], nextAt: 150 })
      expect(await take({ now: 150, until: 250 })).toMatchObject({ items: [{ id: 'm11', attempt: 2 }] })
      expect(await ids({ now: 499, until: 600 })).toEqual(['m11', 'm13'])
      expect(await ids({ now: 500, until: 600 })).toEqual(['m12'])
      // Of two verdicts that come together the first holds.
      expect(await settle(retry('m12', 550), { id: 'm12', claim: 'one', verdict: 'progress', dueAt: 900 })).toEqual([true, false])
      expect(await ids({ now: 550, until: 650 })).toEqual(['m12'])
    })

    test('park an item after its last attempt, whether it was retried or its time ran out; it holds up nobody', async () => {
      const { settle, take, consumers, ids } = await opened({ maxDeliveries: 2 }, fresh(3, ['a']))
      expect(await ids()).toEqual(['m11'])
      await settle(retry('m11', 100))
      expect(await ids()).toEqual(['m11'])
      await settle(retry('m11', 100))
      expect(await consumers.parked({ name: 'c', after: 0, limit: 10 })).toEqual([{ id: 'm11', seq: 11, attempt: 2 }])
      expect(await ids()).toEqual(['m12'])
      expect(await ids({ now: 200, until: 300 })).toEqual(['m12'])
      expect(await take({ now: 300, until: 400 })).toMatchObject({ items: [{ id: 'm13' }], parked: 1, open: 1 })
      expect(await consumers.count({ name: 'c', now: 300 })).toEqual({ waiting: 0, claimed: 1, parked: 2 })
      const pages = [await consumers.parked({ name: 'c', after: 11, limit: 10 }), await consumers.parked({ name: 'c', after: 0, limit: 1 })]
      expect(pages.map((page) => page.map(({ id }) => id))).toEqual([['m12'], ['m11']])
      expect(await settle(retry('m11', 1), { id: 'm11', claim: 'one', verdict: 'progress', dueAt: 1 })).toEqual([false, false])
    })

    test('take nothing in for another consumer of the same name', async () => {
      const { consumers, take } = await opened()
      expect(
        await consumers.take({ ...{ name: 'c', createdAt: 999, by: 'g', claim: 'one', now: 1, until: 2, limit: 1 }, fresh: fresh(3) }),
      ).toBeUndefined()
      expect(await take()).toMatchObject({ items: [], consumer: { position: 10 } })
    })

    test('settle nothing for another consumer of the same name, or without one', async () => {
      const { consumers, ids, settle } = await opened({}, fresh(2))
      await ids({ limit: 1 })
      const verdicts: ItemVerdict[][] = [
        [{ id: 'm11', verdict: 'ack' }],
        [{ id: 'm11', verdict: 'drop' }, retry('m11', 150)],
        [{ id: 'x', verdict: 'ack' }],
      ]
      for (const each of verdicts) {
        expect(await consumers.settle({ name: 'c', createdAt: 999, verdicts: each })).toBeUndefined()
        expect(await consumers.settle({ name: 'd', createdAt: 1_000, verdicts: each })).toBeUndefined()
      }
      expect(await consumers.count({ name: 'c', now: 100 })).toEqual({ waiting: 1, claimed: 1, parked: 0 })
      expect(await settle({ id: 'm11', verdict: 'ack' }, { id: 'm11', verdict: 'ack' }, { id: 'x', verdict: 'ack' })).toEqual([
        ...[true, false, false],
      ])
    })

    test('leave nothing behind when a crash has interrupted their removal, and all of the others', async () => {
      const { store, consumers } = await opened({ maxDeliveries: 1 }, fresh(1_100))
      for (const name of ['a', 'b', 'd', 'e']) {
        await consumers.create(record(name))
        await consumers.take({ ...{ name, createdAt: 1_000, by: 'g', claim: 'one', now: 100, until: 200, limit: 1 }, fresh: fresh(3) })
      }
      for (const name of ['a', 'c', 'd']) await spoil({ consumer: name })
      await store.stop()
      const again = (await reopen()).consumers
      const counts = async (now = 100) =>
        await Promise.all(['a', 'b', 'c', 'd', 'e'].map(async (name) => Object.values(await again.count({ name, now }))))
      expect((await counts())[2]).toEqual([1_100, 0, 0])
      await again.finishRemovals()
      expect(await counts()).toEqual([
        [0, 0, 0],
        [2, 1, 0],
        [0, 0, 0],
        [0, 0, 0],
        [2, 1, 0],
      ])
      await again.finishRemovals()
      expect(await again.list()).toHaveLength(2)
    })

    test('tell which claims have not ended', async () => {
      const { consumers, ids, settle } = await opened({}, fresh(4))
      await ids({ limit: 2 })
      await ids({ by: 'h', claim: 'two', limit: 1 })
      await settle({ id: 'm11', verdict: 'ack' })
      const claims = ['m11', 'm12', 'm13', 'm14', 'x'].map((id) => ({ id, claim: 'one' }))
      const query = { name: 'c', createdAt: 1_000, claims }
      expect(await consumers.held(query)).toEqual(['m12'])
      expect(await consumers.held({ ...query, createdAt: 1 })).toBeUndefined()
      expect(await consumers.held({ ...query, name: 'd' })).toBeUndefined()
    })

    test('are not changed by who had an item before: it neither ends nor extends nor gives back the claim of the next one', async () => {
      const { consumers, ids, settle, take } = await opened({ maxDeliveries: 5 }, fresh(1))
      await ids()
      // Its time is over, and nobody else has it: it is still the claim of the first one.
      expect(await settle({ id: 'm11', claim: 'one', verdict: 'progress', dueAt: 250 })).toEqual([true])
      expect(await ids({ now: 249 })).toEqual([])
      expect(await ids({ by: 'g', claim: 'two', now: 250, until: 350 })).toEqual(['m11'])
      const late: ItemVerdict[] = [retry('m11', 251), { id: 'm11', claim: 'one', verdict: 'progress', dueAt: 900 }]
      expect(await settle(...late)).toEqual([false, false])
      await consumers.release({ name: 'c', now: 251, claims: [{ id: 'm11', claim: 'one' }] })
      expect(await consumers.held({ name: 'c', createdAt: 1_000, claims: [{ id: 'm11', claim: 'one' }] })).toEqual([])
      expect(await take({ now: 349 })).toMatchObject({ items: [], nextAt: 350 })
      // Of verdicts that come together each one has its own answer.
      expect(await settle(retry('m11', 260), retry('m11', 300, 'two'), retry('m11', 270, 'two'))).toEqual([false, true, false])
      expect(await ids({ now: 299 })).toEqual([])
      // What was given back uncounted, or replayed, has the same attempt again, and another claim.
      expect(await take({ now: 300, until: 400, claim: 'three' })).toMatchObject({ items: [{ attempt: 3 }] })
      await consumers.release({ name: 'c', now: 310, claims: [{ id: 'm11', claim: 'three' }], uncounted: true })
      expect(await take({ now: 310, until: 410, claim: 'four' })).toMatchObject({ items: [{ attempt: 3 }] })
      expect(await settle(retry('m11', 311, 'three'))).toEqual([false])
      // The work is done, whoever says so.
      expect(await settle({ id: 'm11', verdict: 'ack' }, retry('m11', 320, 'four'))).toEqual([true, false])
      expect(await consumers.count({ name: 'c', now: 500 })).toEqual({ waiting: 0, claimed: 0, parked: 0 })
    })

    test('hand out a replayed item of a lane only when no other of the lane is with a worker', async () => {
      const { consumers, ids, settle } = await opened({ maxDeliveries: 1, order: 'strict' }, fresh(2, ['']))
      await ids()
      await settle(retry('m11', 100))
      expect(await ids()).toEqual(['m12'])
      await consumers.replay({ name: 'c' })
      expect(await ids()).toEqual([])
      await settle({ id: 'm12', verdict: 'ack' })
      expect(await ids()).toEqual(['m11'])
    })

    test('replay parked items from their first attempt, and drop them', async () => {
      const { settle, ids, consumers, take } = await opened({ maxDeliveries: 1 }, fresh(3))
      await ids()
      await settle(...['m11', 'm12', 'm13'].map((id) => retry(id, 100)))
      expect(await consumers.replay({ name: 'c', ids: ['m12', 'x'] })).toBe(1)
      expect(await take({ now: 300, until: 400 })).toMatchObject({ items: [{ id: 'm12', attempt: 1 }] })
      expect(await settle({ id: 'm11', verdict: 'drop' })).toEqual([true])
      expect(await consumers.replay({ name: 'c' })).toBe(1)
      expect(await ids({ now: 300, until: 400 })).toEqual(['m13'])
    })

    test('replay and remove any number of parked items', async () => {
      const { settle, ids, consumers, take } = await opened({ maxDeliveries: 1, maxUnacked: 10_000 }, fresh(2_100))
      const all = await ids({ limit: 10_000 })
      await settle(...all.map((id) => retry(id, 100)))
      expect(await consumers.replay({ name: 'c' })).toBe(2_100)
      expect(await consumers.count({ name: 'c', now: 300 })).toEqual({ waiting: 2_100, claimed: 0, parked: 0 })
      expect(await take({ limit: 0, now: 300 })).toMatchObject({ open: 2_100 })
      expect(await consumers.remove('c')).toBe(true)
      await consumers.create(record('c'))
      expect(await consumers.count({ name: 'c', now: 300 })).toEqual({ waiting: 0, claimed: 0, parked: 0 })
    })

    test('park any number of items that have had all attempts, in steps, and hand none of them out', async () => {
      const { ids, take, consumers } = await opened({ maxUnacked: 10_000 }, fresh(2_100))
      const claims = (await ids({ limit: 10_000 })).map((id) => ({ id, claim: 'one' }))
      await consumers.release({ name: 'c', now: 150, claims })
      const consumer = await consumers.get('c')
      if (consumer === undefined) throw new Error('the consumer is gone')
      await consumers.configure(consumer, { ...consumer.settings, maxDeliveries: 1 })
      for (const parked of [1_000, 1_000, 100, 0]) expect(await take({ now: 300, limit: 10_000 })).toMatchObject({ items: [], parked })
      expect(await consumers.count({ name: 'c', now: 300 })).toEqual({ waiting: 0, claimed: 0, parked: 2_100 })
    })

    test('begin no more items than maxUnacked and a thousand, however many were replayed and are retried later', async () => {
      const { ids, settle, consumers } = await opened({ maxUnacked: 600, maxDeliveries: 1 }, fresh(2_100))
      for (let count = 0; count < 4; count++) await settle(...(await ids({ limit: 600 })).map((id) => retry(id, 100)))
      expect(await consumers.replay({ name: 'c' })).toBe(2_100)
      const consumer = await consumers.get('c')
      if (consumer === undefined) throw new Error('the consumer is gone')
      await consumers.configure(consumer, { ...consumer.settings, maxDeliveries: 2 })
      const begun: number[] = []
      for (let count = 0; count < 4; count++) {
        const taken = await ids({ now: 300, until: 400, limit: 600 })
        begun.push(taken.length)
        await settle(...taken.map((id) => retry(id, 5_000)))
      }
      expect(begun).toEqual([600, 600, 400, 0])
      expect(await ids({ now: 5_000, until: 6_000, limit: 600 })).toHaveLength(600)
    })

    test('hand out the items of a lane one at a time, in order, and those of other lanes beside', async () => {
      const { ids, settle } = await opened({ order: 'author' }, fresh(6, ['a', 'b']))
      expect(await ids()).toEqual(['m11', 'm12'])
      expect(await ids()).toEqual([])
      await settle({ id: 'm12', verdict: 'ack' }, retry('m11', 150))
      expect(await ids()).toEqual(['m14'])
      expect(await ids({ now: 150, until: 250 })).toEqual(['m11'])
      await settle({ id: 'm11', verdict: 'ack' })
      expect(await ids()).toEqual(['m13'])
    })

    test('are given back the claims of a gateway, some or all, counted or not', async () => {
      const { ids, take, consumers } = await opened({}, fresh(4))
      expect(await ids({ limit: 3 })).toEqual(['m11', 'm12', 'm13'])
      expect(await ids({ by: 'h' })).toEqual(['m14'])
      const claims = (...of: string[]) => of.map((id) => ({ id, claim: 'one' }))
      await consumers.release({ name: 'c', now: 110, claims: claims('m11', 'm15') })
      expect(await take({ now: 110 })).toMatchObject({ items: [{ id: 'm11', attempt: 2 }] })
      await consumers.release({ name: 'c', now: 120, claims: claims('m12'), uncounted: true })
      expect(await take({ now: 120 })).toMatchObject({ items: [{ id: 'm12', attempt: 1 }] })
      await consumers.disown({ by: 'g', now: 130 })
      expect(await ids({ now: 130 })).toEqual(['m11', 'm12', 'm13'])
      await consumers.disown({ by: 'h', now: 140 })
      expect(await ids({ now: 140 })).toEqual(['m14'])
    })

    test('lose items whose messages are gone, which they tell, and are all there after a restart', async () => {
      const { store, ids, consumers } = await opened({ maxDeliveries: 1 }, fresh(5))
      await ids({ limit: 2 })
      await consumers.lose('c', ['m11'], { from: 10, to: 11 })
      await consumers.loseThrough('c', 11)
      expect(await consumers.get('c')).toMatchObject({ gaps: 1, lastGap: { from: 10, to: 11 } })
      await store.stop()
      const again = (await reopen()).consumers
      expect(await again.count({ name: 'c', now: 100 })).toEqual({ waiting: 3, claimed: 1, parked: 0 })
      await again.release({ name: 'c', now: 100, claims: [{ id: 'm12', claim: 'one' }], uncounted: true })
      expect(
        (await again.take({ name: 'c', createdAt: 1_000, by: 'h', claim: 'two', now: 100, until: 200, limit: 9 }))?.items.map(
          ({ id }) => id,
        ),
      ).toEqual([...['m12', 'm13', 'm14', 'm15']])
      await again.loseThrough('c', 13)
      expect(await again.get('c')).toMatchObject({ gaps: 2, lastGap: { from: 11, to: 13 } })
      expect(await again.count({ name: 'c', now: 100 })).toEqual({ waiting: 0, claimed: 2, parked: 0 })
    })
  })
}
