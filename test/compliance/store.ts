import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { kindOf, type NewMessage, type StoredMessage } from '../../src/model/message.ts'
import { sequenceBytes } from '../../src/model/signed-message.ts'
import { directTopic, matchesTopic, topicFilter } from '../../src/model/topic.ts'
import type { NewDelivery } from '../../src/store/delivery-store.ts'
import type { LogQuery } from '../../src/store/log-store.ts'
import type { SessionRecord } from '../../src/store/session-store.ts'
import type { Store } from '../../src/store/store.ts'
import type { TokenRecord } from '../../src/store/token-store.ts'
import { newMessage, someAuthor } from '../fixtures/messages.ts'
import { describeDamage } from './damage.ts'
import { describeDeletion } from './deletion.ts'
import { describeForgetting } from './forgetting.ts'
import type { Spoilt } from './spoilt.ts'

/** The client that joins a topic. */
const someone = { client: 'tok_1', explicit: true }

/** A place for a store's data, which can be opened repeatedly. */
export interface StorePlace {
  open(): Store
  /**
   * Damages a stored message or a delivery's envelope as a disk would: without the knowledge of the store, which may be
   * open.
   */
  spoil(what: Spoilt): Promise<void>
}

const otherAuthor = '12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7'
const firstTime = 1_700_000_000_000

const someAuthors = fc.constantFrom(someAuthor, otherAuthor)
const someTime = fc.integer({ min: firstTime, max: firstTime + 20 })

/** Messages of a small log. */
const someLog = fc.array(
  fc.record({
    topic: fc.constantFrom('a', 'a.b', 'b', 'c', directTopic),
    from: someAuthors,
    receivedAt: someTime,
    storedAt: someTime,
    data: fc.uint8Array({ maxLength: 50 }),
  }),
  { minLength: 0, maxLength: 60, size: 'max' },
)

/** Present half of the time: with five conditions at once almost nothing would match. */
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined, freq: 2 })

/** Bounds are in percent of the log; one may be past its end. */
const someQuery = fc.record({
  after: fc.nat(100),
  through: maybe(fc.nat(120)),
  order: fc.constantFrom('asc' as const, 'desc' as const),
  limit: fc.integer({ min: 1, max: 15 }),
  maxBytes: maybe(fc.integer({ min: 1, max: 500 })),
  patterns: maybe(fc.subarray(['a', 'a.*', 'b', '*.b', 'nothing', '*', '>', directTopic], { minLength: 1 })),
  kind: maybe(fc.constantFrom('topic' as const, 'topic' as const, 'topic' as const, 'direct' as const)),
  from: maybe(fc.oneof(someAuthors, fc.constant('nobody'))),
  since: maybe(someTime),
  until: maybe(someTime),
  storedSince: maybe(someTime),
})
type SomeQuery = typeof someQuery extends fc.Arbitrary<infer Query> ? Query : never

const plain = (message: NewMessage) => ({
  ...message,
  data: [...message.data],
  sequence: [...message.sequence],
  signature: [...message.signature],
})

/** Tests every sentence of the Store contract. */
export function describeStore(name: string, createPlace: () => Promise<StorePlace>): void {
  describe(`the ${name} store`, () => {
    let place: StorePlace

    async function open(): Promise<Store> {
      place = await createPlace()
      return await reopen()
    }

    async function reopen(): Promise<Store> {
      const store = place.open()
      await store.start()
      onTestFinished(() => store.stop())
      return store
    }

    /** Reads to the end, step by step. */
    async function scan(store: Store, query: Partial<LogQuery> = {}): Promise<number[]> {
      const { tip } = await store.log.position()
      const whole = { after: 0, order: 'asc' as const, limit: 1_000, ...query, through: query.through ?? tip }
      const seqs: number[] = []
      for (;;) {
        const step = await store.log.read(whole)
        seqs.push(...step.messages.map(({ seq }) => seq))
        if (whole.order === 'asc') whole.after = step.scanned
        else whole.through = step.scanned
        if (whole.after >= whole.through) return seqs
      }
    }

    test('starts and stops once however often it is told to', async () => {
      const store = await open()
      await store.start()
      await store.log.append([newMessage('orders')])
      await store.stop()
      await store.stop()
      await store.start()
      expect((await store.log.position()).tip).toBeGreaterThan(0)
    })

    test('keeps where the clock stands, one generation after another, also over a restart', async () => {
      const store = await open()
      const { wall = Date.now(), checkpoint } = await store.clock.read()
      expect(Math.abs(wall - Date.now())).toBeLessThan(60_000)
      expect(Number.isInteger(wall)).toBe(true)
      expect(checkpoint).toBeUndefined()
      const first = { generation: 1, age: 1_000, wall: 2_000 }
      expect(await store.clock.save(first, 1)).toBe(false)
      expect((await Promise.all([store.clock.save(first, 0), store.clock.save(first, 0)])).toSorted()).toEqual([false, true])
      const [later, next] = [
        { ...first, age: 1_030 },
        { generation: 2, age: 1_060, wall: 9_000_000_000_000 },
      ]
      expect(await store.clock.save(later, 1)).toBe(true)
      expect((await store.clock.read()).checkpoint).toEqual(later)
      expect(await store.clock.save(next, 1)).toBe(true)
      expect(await store.clock.save(later, 1)).toBe(false)
      await store.stop()
      expect((await (await reopen()).clock.read()).checkpoint).toEqual(next)
    })

    describe('log', () => {
      test('tells what there is without its data, in bounded steps, and looks at no other topic', async () => {
        const store = await open()
        const others = Array.from({ length: 2_500 }, () => newMessage('b'))
        const old = newMessage('a', { receivedAt: firstTime - 1 })
        const [first, second] = [newMessage('a', { data: new Uint8Array(7), firstSeenAt: 5 }), newMessage('c', { data: new Uint8Array() })]
        await store.log.append([old, first, ...others, second, newMessage(directTopic, { to: otherAuthor })])
        const outline = async (topics: string[], since: number) => {
          const found = []
          let looked = 0
          for (let [after, steps] = [0, 1]; ; steps++) {
            const step = await store.log.outline({ after, topics, since })
            found.push(...step.entries)
            looked += step.looked
            expect(step.looked).toBeLessThanOrEqual(2_000)
            expect(step.scanned).toBeGreaterThan(after)
            after = step.scanned
            if (step.caughtUp) return { found, looked, steps }
          }
        }
        const few = await outline(['c', 'a', 'nothing', 'a'], firstTime)
        expect(few).toMatchObject({ looked: 3, steps: 1 })
        expect(few.found).toEqual([
          { id: first.id, topic: 'a', bytes: 7, firstSeenAt: 5 },
          { id: second.id, topic: 'c', bytes: 0, firstSeenAt: second.receivedAt },
        ])
        const dense = await outline(['c', 'a', 'b'], firstTime)
        expect(dense.looked).toBe(2_503)
        expect(dense.steps).toBeGreaterThan(1)
        expect(dense.found.map(({ id }) => id)).toEqual([first, ...others, second].map(({ id }) => id))
        const { tip } = await store.log.position()
        const nothing = { entries: [], looked: 0, scanned: tip, caughtUp: true }
        expect(await store.log.outline({ after: tip, topics: ['a'], since: 0 })).toEqual(nothing)
        expect(await store.log.outline({ after: 0, topics: [], since: 0 })).toEqual(nothing)
      })

      test('finds messages by their ids, and says which ids are unknown', async () => {
        const store = await open()
        const [one, two, pruned, never] = [newMessage('a'), newMessage('a'), newMessage('b'), newMessage('a')]
        await store.log.append([one, two, pruned])
        await store.log.prune({
          defaults: { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 },
          now: 1,
          topic: 'b',
          limit: 10,
          through: Number.MAX_SAFE_INTEGER,
        })
        const ids = [never, two, pruned, one].map(({ id }) => id)
        expect((await store.log.find(ids, 1_000)).map(({ id }) => id)).toEqual([one.id, two.id])
        expect((await store.log.find(ids, 1)).map(({ id }) => id)).toEqual([one.id])
        expect((await store.log.find(ids, one.data.length + 1)).map(({ id }) => id)).toEqual([one.id, two.id])
        expect(await store.log.unknown(ids)).toEqual([never.id])
        expect(await store.log.unknown([])).toEqual([])
      })

      test('never stores what was refused, until that is forgotten', async () => {
        const store = await open()
        const [wanted, refused] = [newMessage('a'), newMessage('a')]
        await store.log.append([wanted])
        await store.log.refuse([refused.id, wanted.id], 1_000)
        await store.log.refuse([refused.id], 9_000)
        expect(await store.log.unknown([refused.id])).toEqual([])
        expect((await store.log.append([refused, wanted])).entries).toMatchObject([{ known: true, message: undefined }, { known: true }])
        expect(await store.log.get(wanted.id)).toBeDefined()
        await store.log.forget({ now: 1, idsBefore: 1_001, keysBefore: 0, limit: 10 })
        expect((await store.log.append([refused])).entries).toMatchObject([{ known: false }])
      })

      test('has time that never goes back, whatever the clock did, and ages by when a message was stored', async () => {
        const store = await open()
        const at = (receivedAt: number, storedAt: number) => newMessage('a', { receivedAt, storedAt })
        const [ahead, behind, next] = [at(9_000, 1_000), at(2_000, 1_001), at(2_001, 1_002)]
        const first = await store.log.append([ahead, behind])
        const second = await store.log.append([next, ahead])
        const answered = [...first.entries, ...second.entries].map(({ message }) => [message?.receivedAt, message?.storedAt])
        expect(answered).toEqual([
          [9_000, 1_000],
          [9_000, 1_001],
          [9_000, 1_002],
          [9_000, 1_000],
        ])
        const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 10 })
        expect(messages.map(({ receivedAt, storedAt }) => [receivedAt, storedAt])).toEqual(answered.slice(0, 3))
        expect(await scan(store, { storedSince: 1_001 })).toHaveLength(2)
        const { entries } = await store.log.outline({ after: 0, topics: ['a'], since: 1_002 })
        expect(entries).toEqual([{ id: next.id, topic: 'a', bytes: next.data.length, firstSeenAt: 1_002 }])
        const query = { defaults: { maxAgeMs: 100, maxMessages: 0, maxBytes: 0 }, now: 1_101 }
        expect(await store.log.prunable(query)).toEqual(['a'])
        expect(await store.log.prune({ ...query, topic: 'a', limit: 10 })).toMatchObject({ messages: 1 })
        expect(await store.log.prunable(query)).toEqual([])
        await store.stop()
        const again = await reopen()
        expect((await again.log.append([at(3_000, 1_003)])).entries[0]?.message).toMatchObject({ receivedAt: 9_000, storedAt: 1_003 })
      })

      test('begins empty', async () => {
        const store = await open()
        expect(await store.log.position()).toEqual({
          epoch: await store.log.epoch(),
          tip: 0,
          earliest: 0,
          prunedThrough: 0,
          pruneCount: 0,
          messages: 0,
        })
        expect(await store.log.read({ after: 0, order: 'asc', limit: 10 })).toEqual({ messages: [], scanned: 0 })
        expect(await store.log.epoch()).toMatch(/^[A-Za-z0-9]{1,32}$/)
      })

      test('keeps every field of a message, also over a restart', async () => {
        const store = await open()
        const messages = [
          newMessage('orders'),
          newMessage('ünïcode ☃', { data: Uint8Array.from([0, 255, 128]), storedAt: 1_795_444_444_444 }),
          newMessage('orders', { data: new Uint8Array(), dataAbsent: true }),
          newMessage('orders', { data: new Uint8Array() }),
          newMessage('orders', { firstSeenAt: 1_600_000_000_000 }),
          newMessage('orders', { sequence: sequenceBytes(2n ** 64n - 1n), publicKey: Uint8Array.from([1, 2, 3]) }),
        ]
        await store.log.append(messages)
        await store.stop()
        const again = await reopen()
        const { messages: stored } = await again.log.read({ after: 0, order: 'asc', limit: 10 })
        expect(stored.map(plain)).toEqual(
          messages.map((message, index) => ({ ...plain(message), seq: stored[index]?.seq, ...keyed(message) })),
        )
        for (const message of stored) expect(await again.log.get(message.id).then((found) => found && plain(found))).toEqual(plain(message))
        expect(await again.log.get('nothing.1')).toBeUndefined()
      })

      function keyed({ publicKey }: NewMessage) {
        return publicKey === undefined ? {} : { publicKey: expect.objectContaining({ length: publicKey.length }) }
      }

      test('numbers messages in the order given, above everything before', async () => {
        const store = await open()
        const first = await store.log.append([newMessage('a'), newMessage('b')])
        const second = await store.log.append([newMessage('a'), newMessage('a')])
        const seqs = [...first.entries, ...second.entries].map(({ message }) => message?.seq ?? 0)
        expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
        expect(new Set(seqs).size).toBe(4)
        expect(first.previousTip).toBe(0)
        expect(second.previousTip).toBe(seqs[1])
        expect((await store.log.position()).tip).toBe(seqs[3])
      })

      test('tries to write as often as it is asked, and what it writes does not grow', async () => {
        const store = await open()
        await store.log.append([newMessage('a')])
        const before = await store.log.position()
        for (let trial = 0; trial < 3; trial++) await store.log.tryWrite()
        expect(await store.log.position()).toEqual(before)
        expect((await store.records.list('')).length).toBeLessThanOrEqual(1)
        store.check()
      })

      test('answers an append of nothing', async () => {
        const store = await open()
        const { entries } = await store.log.append([newMessage('a')])
        expect(await store.log.append([])).toEqual({
          epoch: await store.log.epoch(),
          previousTip: entries[0]?.message?.seq,
          entries: [],
          takenKeys: [],
        })
      })

      test('stores a message once, and names the one that is there', async () => {
        const store = await open()
        const message = newMessage('orders')
        const first = await store.log.append([message])
        const again = await store.log.append([newMessage('orders'), { ...message, data: Buffer.from('another') }, newMessage('orders')])
        expect(again.entries.map(({ known }) => known)).toEqual([false, true, false])
        expect(again.entries[1]?.message?.seq).toBe(first.entries[0]?.message?.seq)
        expect(Buffer.from(again.entries[1]?.message?.data ?? []).toString()).toBe(Buffer.from(message.data).toString())
        expect(await scan(store)).toHaveLength(3)
      })

      test('stores a message once that comes twice in one batch', async () => {
        const store = await open()
        const message = newMessage('orders')
        const { entries } = await store.log.append([message, message])
        expect(entries.map(({ known }) => known)).toEqual([false, true])
        expect(entries[0]?.message?.seq).toBe(entries[1]?.message?.seq)
        expect(await store.topics.get('orders')).toMatchObject({ messages: 1 })
      })

      test('ends at its newest message, whatever known ones came after it', async () => {
        const store = await open()
        const [first, second] = [newMessage('orders'), newMessage('orders')]
        const { entries } = await store.log.append([first, second, first, second])
        const newest = entries[1]?.message?.seq
        expect((await store.log.position()).tip).toBe(newest)
        expect((await store.log.append([second, first])).previousTip).toBe(newest)
        expect((await store.log.append([newMessage('orders')])).previousTip).toBe(newest)
      })

      test('keeps its epoch and its numbers over a restart', async () => {
        const store = await open()
        const epoch = await store.log.epoch()
        const { entries } = await store.log.append([newMessage('a')])
        await store.stop()
        const again = await reopen()
        expect(await again.log.epoch()).toBe(epoch)
        const next = await again.log.append([newMessage('a')])
        expect(next.previousTip).toBe(entries[0]?.message?.seq)
        expect(next.entries[0]?.message?.seq).toBeGreaterThan(entries[0]?.message?.seq ?? Number.NaN)
      })

      test('takes batches of any size, appended at once', async () => {
        const store = await open()
        const batches = [1, 2, 500, 1_200, 3].map((size) => Array.from({ length: size }, () => newMessage('orders')))
        const results = await Promise.all(batches.map((batch) => store.log.append(batch)))
        for (const [index, { entries }] of results.entries())
          expect(entries.map(({ message }) => message?.id)).toEqual(batches[index]?.map(({ id }) => id))
        expect(await scan(store)).toHaveLength(1_706)
        expect(await store.topics.get('orders')).toMatchObject({ messages: 1_706 })
      })

      test('tells its ends by topic', async () => {
        const store = await open()
        const { entries } = await store.log.append([newMessage('a'), newMessage('b.x'), newMessage('b.c'), newMessage('a')])
        const [a, b, bc, last] = entries.map(({ message }) => message?.seq ?? 0)
        const tip = last ?? 0
        expect(await store.log.position(topicFilter(['a']))).toMatchObject({ tip, earliest: (a ?? 0) - 1, prunedThrough: 0, pruneCount: 0 })
        expect(await store.log.position(topicFilter(['b.*']))).toMatchObject({
          tip,
          earliest: (b ?? 0) - 1,
          prunedThrough: 0,
          pruneCount: 0,
        })
        expect(await store.log.position(topicFilter(['b.c', 'c']))).toMatchObject({
          tip,
          earliest: (bc ?? 0) - 1,
          prunedThrough: 0,
          pruneCount: 0,
        })
        expect(await store.log.position(topicFilter(['c']))).toMatchObject({ tip, earliest: tip, prunedThrough: 0, pruneCount: 0 })
      })

      test('takes levels literally, wildcards of the database among them', async () => {
        const store = await open()
        const topics = [
          '100%.a',
          '100x.a',
          'a_b',
          'axb',
          'A_B',
          "it's",
          '[a].x.y',
          'b.x.y',
          'a\\b.x',
          'a.b.x',
          '/a/b',
          'c..d',
          '.e',
          'f.',
          'é😀.x',
        ]
        await store.log.append([...topics, 'a.1.c', 'a.1.2.c', 'a.1.c.2', 'a.1.2.c.3', 'a.1.c.2.3'].map((topic) => newMessage(topic)))
        const topicsOf = async (...patterns: string[]) => {
          const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 100, topics: topicFilter(patterns) })
          return messages.map(({ topic }) => topic)
        }
        expect(await topicsOf('100%.*')).toEqual(['100%.a'])
        expect(await topicsOf('a_b', 'a_b.>')).toEqual(['a_b'])
        expect(await topicsOf("it's")).toEqual(["it's"])
        expect(await topicsOf('[a].*.y')).toEqual(['[a].x.y'])
        expect(await topicsOf('a\\b.*')).toEqual(['a\\b.x'])
        expect(await topicsOf('é😀.*')).toEqual(['é😀.x'])
        expect(await topicsOf('*')).toEqual(['a_b', 'axb', 'A_B', "it's", '/a/b'])
        expect(await topicsOf('*.*.d', '*.e', 'f.>')).toEqual(['c..d', '.e', 'f.'])
        expect(await topicsOf('a.*.c')).toEqual(['a.1.c'])
        expect(await topicsOf('a.*.c.>')).toEqual(['a.1.c.2', 'a.1.c.2.3'])
        expect(await topicsOf('a.*.>')).toEqual(['a.b.x', 'a.1.c', 'a.1.2.c', 'a.1.c.2', 'a.1.2.c.3', 'a.1.c.2.3'])
        expect(await topicsOf('>')).toHaveLength(topics.length + 5)
      })

      test('compares topics with patterns as the gateway does', async () => {
        const store = await open()
        const level = fc.constantFrom('a', '%', '_', '\\', '[', '')
        const topicOf = (levels: string[]) => levels.join('.')
        const topics = fc.uniqueArray(fc.array(level, { minLength: 1, maxLength: 4 }).map(topicOf), {
          maxLength: 200,
          minLength: 200,
          size: 'max',
        })
        const [names = []] = fc.sample(topics, 1)
        const all = names.filter((name) => name !== directTopic)
        await store.log.append(all.map((topic) => newMessage(topic)))
        const wild = fc
          .tuple(fc.array(fc.oneof(level, fc.constant('*')), { maxLength: 3 }), fc.constantFrom('>', '*', 'a', '_'))
          .map(([levels, last]) => topicOf([...levels, last]))
        await fc.assert(
          fc.asyncProperty(fc.uniqueArray(wild, { minLength: 1, maxLength: 3 }), async (patterns) => {
            const filter = topicFilter(patterns)
            const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 500, topics: filter })
            const expected = all.filter((topic) => matchesTopic(filter, topic))
            expect(messages.map(({ topic }) => topic)).toEqual(expected)
            expect((await store.log.position(filter)).messages).toBe(expected.length)
          }),
        )
      })

      test('bounds a step by bytes, but always answers something', async () => {
        const store = await open()
        await store.log.append(Array.from({ length: 5 }, () => newMessage('a', { data: new Uint8Array(1_000) })))
        const step = await store.log.read({ after: 0, order: 'asc', limit: 100, maxBytes: 2_500 })
        expect(step.messages.length).toBeGreaterThanOrEqual(2)
        expect(step.messages.length).toBeLessThanOrEqual(3)
        expect((await store.log.read({ after: 0, order: 'asc', limit: 100, maxBytes: 1 })).messages).toHaveLength(1)
        expect(await scan(store, { maxBytes: 1 })).toHaveLength(5)
      })

      test('looks at a bounded number of rows in a step, and still finds the needle', async () => {
        const store = await open()
        for (let batch = 0; batch < 20; batch++) await store.log.append(Array.from({ length: 500 }, () => newMessage('hay')))
        const { entries } = await store.log.append([newMessage('needle', { from: otherAuthor })])
        const seq = entries[0]?.message?.seq ?? 0
        const first = await store.log.read({ after: 0, order: 'asc', limit: 10, from: otherAuthor })
        expect(first.messages).toEqual([])
        expect(first.scanned).toBeLessThan(seq)
        expect(await scan(store, { from: otherAuthor })).toEqual([seq])
        expect(await scan(store, { topics: topicFilter(['needle']) })).toEqual([seq])
        expect(await scan(store, { topics: topicFilter(['needle', '*.x']), order: 'desc' })).toEqual([seq])
      })

      test('answers in every step exactly what a naive reading up to its end would', async () => {
        await fc.assert(
          fc.asyncProperty(someLog, fc.array(someQuery, { minLength: 20, maxLength: 20 }), async (messages, queries) => {
            const store = await open()
            const { entries } = await store.log.append(messages.map(({ topic, ...fields }) => newMessage(topic, fields)))
            const log = entries.flatMap(({ message }) => message ?? [])
            for (const query of queries) await walk(store, log, query)
            await store.stop()
          }),
          { numRuns: 12 },
        )
      })

      test('does so on a log that is longer than a step', async () => {
        const store = await open()
        const log: StoredMessage[] = []
        for (let batch = 0; batch < 10; batch++) {
          const messages = Array.from({ length: 600 }, (_, index) =>
            newMessage(index % 3 === 0 ? 'a' : 'b', { receivedAt: firstTime + batch }),
          )
          log.push(...(await store.log.append(messages)).entries.flatMap(({ message }) => message ?? []))
        }
        await fc.assert(
          fc.asyncProperty(someQuery, async (query) => {
            await walk(store, log, { ...query, limit: query.limit * 100, maxBytes: undefined })
          }),
          { numRuns: 25 },
        )
      })

      /** Runs a scan step by step to its end, and compares each step with the log. */
      async function walk(store: Store, log: StoredMessage[], { patterns, ...rest }: SomeQuery): Promise<void> {
        const { after, order, limit, maxBytes = Number.POSITIVE_INFINITY, ...filter } = rest
        const topics = patterns === undefined ? {} : { topics: topicFilter(patterns) }
        const tip = log.at(-1)?.seq ?? 0
        const at = (percent: number) => Math.round((tip * percent) / 100)
        const range = { after: at(after), through: at(rest.through ?? 100) }
        for (let low = range.after; low < range.through; ) {
          const step = await store.log.count({ ...present(filter), ...topics, after: low, through: range.through })
          const counted = log.filter(({ seq }) => seq > low && seq <= step.scanned).filter((each) => matches(each, { patterns, ...rest }))
          expect(step.messages).toBe(counted.length)
          expect(step.scanned).toBeGreaterThan(low)
          low = step.scanned
        }
        const stored = log.filter(({ topic }) => patterns === undefined || matchesTopic(topicFilter(patterns), topic))
        expect((await store.log.position(topics.topics)).messages).toBe(stored.length)
        for (;;) {
          const step = await store.log.read({ ...present({ ...filter, maxBytes: rest.maxBytes }), ...topics, ...range, order, limit })
          const forward = order === 'asc'
          const [low, high] = forward ? [range.after, step.scanned] : [step.scanned, range.through]
          const expected = log.filter((message) => message.seq > low && message.seq <= high && matches(message, { patterns, ...rest }))
          expect(step.messages.map(({ seq }) => seq)).toEqual((forward ? expected : expected.toReversed()).map(({ seq }) => seq))
          expect(step.messages.length).toBeLessThanOrEqual(limit)
          const bytes = step.messages.slice(0, -1).reduce((sum, { data }) => sum + data.length, 0)
          expect(bytes).toBeLessThan(Math.max(maxBytes, 1))
          const end = forward ? Math.max(range.after, Math.min(range.through, tip)) : range.after
          if (step.scanned === end) return
          // Otherwise it made progress.
          if (forward) expect(step.scanned).toBeGreaterThan(range.after)
          else expect(step.scanned).toBeLessThan(range.through)
          if (forward) range.after = step.scanned
          else range.through = step.scanned
        }
      }

      function matches(message: StoredMessage, { patterns, from, since, until, storedSince, kind }: SomeQuery): boolean {
        return (
          (patterns === undefined || matchesTopic(topicFilter(patterns), message.topic)) &&
          (from === undefined || message.from === from) &&
          (kind === undefined || kindOf(message) === kind) &&
          (since === undefined || message.receivedAt >= since) &&
          (until === undefined || message.receivedAt < until) &&
          (storedSince === undefined || message.storedAt >= storedSince)
        )
      }

      test('ends a scan at the tip, also when it was to go further', async () => {
        const store = await open()
        const { entries } = await store.log.append([newMessage('a'), newMessage('a')])
        const tip = entries[1]?.message?.seq ?? 0
        expect((await store.log.read({ after: 0, through: tip + 10, order: 'asc', limit: 10 })).scanned).toBe(tip)
        expect(await store.log.read({ after: tip, order: 'asc', limit: 10 })).toEqual({ messages: [], scanned: tip })
      })

      test('remembers how far an author was sent, never back, over an orderly restart', async () => {
        const store = await open()
        const { entries } = await store.log.append([newMessage('a'), newMessage('a'), newMessage('a')])
        const [first, second] = entries.map(({ message }) => message?.seq ?? 0)
        expect(await store.log.sentThrough(someAuthor)).toBe(0)
        await store.log.markSent(someAuthor, second ?? 0)
        await store.log.markSent(someAuthor, first ?? 0)
        await store.log.markSent(otherAuthor, first ?? 0)
        expect(await store.log.sentThrough(someAuthor)).toBe(second)
        await store.stop()
        const again = await reopen()
        expect(await again.log.sentThrough(someAuthor)).toBe(second)
        expect(await again.log.sentThrough(otherAuthor)).toBe(first)
      })
    })

    describe('pruning', () => {
      const unlimited = { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 }
      const now = firstTime + 1_000

      async function append(store: Store, topic: string, count: number, fields: Partial<NewMessage> = {}): Promise<StoredMessage[]> {
        const { entries } = await store.log.append(Array.from({ length: count }, () => newMessage(topic, fields)))
        return entries.flatMap(({ message }) => message ?? [])
      }

      async function seqsOf(store: Store, topic: string): Promise<number[]> {
        const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 1_000, topics: topicFilter([topic]) })
        return messages.map(({ seq }) => seq)
      }

      test('removes the oldest beyond a number, a size or an age, a step at a time, and no others', async () => {
        for (const [defaults, kept] of [
          [{ ...unlimited, maxMessages: 4 }, 4],
          [{ ...unlimited, maxBytes: 35 }, 3],
          [{ ...unlimited, maxAgeMs: 995 }, 5],
          [{ ...unlimited, maxMessages: 6, maxAgeMs: 995 }, 5],
          [unlimited, 10],
        ] as const) {
          const store = await open()
          const other = await append(store, 'b', 1, { receivedAt: now })
          const stored = []
          for (let at = 0; at < 10; at++)
            stored.push(...(await append(store, 'a', 1, { data: Buffer.alloc(10), receivedAt: firstTime + at })))
          const query = { defaults, now }
          expect(await store.log.prunable(query)).toEqual(kept === 10 ? [] : ['a'])
          const steps = []
          for (let step = await prune(); step !== undefined; step = await prune()) steps.push(step)
          function prune() {
            return store.log.prune({ ...query, topic: 'a', limit: 2 })
          }
          expect(steps.reduce((sum, { messages }) => sum + messages, 0)).toBe(10 - kept)
          expect(steps.every(({ messages, bytes }) => messages <= 2 && bytes === messages * 10)).toBe(true)
          expect(await seqsOf(store, 'a')).toEqual(stored.slice(10 - kept).map(({ seq }) => seq))
          expect(await seqsOf(store, 'b')).toEqual(other.map(({ seq }) => seq))
          expect(await store.topics.get('a')).toMatchObject({ messages: kept, bytes: kept * 10 })
          expect(await store.log.prunable(query)).toEqual([])
        }
      })

      test('goes by the limits of the topic itself where it has some, over a restart', async () => {
        const store = await open()
        await append(store, 'a', 5)
        await append(store, 'b', 5)
        await store.topics.retain('a', { maxMessages: 2 })
        await store.topics.retain('a', { maxBytes: 0 })
        await store.topics.retain('b', { maxMessages: 0 })
        await store.stop()
        await store.start()
        expect((await store.topics.get('a'))?.retention).toEqual({ maxAgeMs: null, maxMessages: 2, maxBytes: 0 })
        const query = { defaults: { ...unlimited, maxMessages: 3 }, now }
        expect(await store.log.prunable(query)).toEqual(['a'])
        await store.log.prune({ ...query, topic: 'a', limit: 100 })
        expect(await store.log.prune({ ...query, topic: 'b', limit: 100 })).toBeUndefined()
        expect([(await seqsOf(store, 'a')).length, (await seqsOf(store, 'b')).length]).toEqual([2, 5])
        await store.topics.retain('a', { maxMessages: null })
        await store.topics.retain('a', {})
        expect((await store.topics.get('a'))?.retention).toEqual({ maxAgeMs: null, maxMessages: null, maxBytes: 0 })
      })

      test('takes everything of a topic where that is asked, and numbers go on', async () => {
        const store = await open()
        const [, last] = await append(store, 'a', 2)
        const pruned = await store.log.prune({ defaults: unlimited, now, topic: 'a', limit: 10, through: Number.MAX_SAFE_INTEGER })
        expect(pruned).toMatchObject({ through: last?.seq, messages: 2 })
        expect(await store.log.prune({ defaults: unlimited, now, topic: 'a', limit: 10, through: Number.MAX_SAFE_INTEGER })).toBeUndefined()
        expect(await store.log.get(last?.id ?? '')).toBeUndefined()
        await store.stop()
        await store.start()
        const [next] = await append(store, 'a', 1)
        expect(next?.seq).toBeGreaterThan(last?.seq ?? Number.NaN)
      })

      test('takes what a topic has up to a seq, step by step, and nothing of other topics', async () => {
        const store = await open()
        const [first] = await append(store, 'b', 1)
        const [, second, third, last] = await append(store, 'a', 4)
        const prune = () => store.log.prune({ defaults: unlimited, now, topic: 'a', limit: 2, through: third?.seq ?? 0 })
        expect(await prune()).toMatchObject({ through: second?.seq, messages: 2 })
        expect(await prune()).toMatchObject({ through: third?.seq, messages: 1 })
        expect(await prune()).toBeUndefined()
        expect([await seqsOf(store, 'a'), await seqsOf(store, 'b')]).toEqual([[last?.seq], [first?.seq]])
        expect(await store.topics.get('a')).toMatchObject({ messages: 1, latest: last?.seq })
      })

      test('tells what was pruned, by topic and since which step', async () => {
        const store = await open()
        const [, a] = await append(store, 'a', 3)
        const [b] = await append(store, 'b', 3)
        const prune = (topic: string, limit: number) =>
          store.log.prune({ defaults: unlimited, now, topic, limit, through: Number.MAX_SAFE_INTEGER })
        const first = await prune('a', 2)
        const between = await store.log.position()
        const second = await prune('b', 1)
        expect([first?.through, second?.through]).toEqual([a?.seq, b?.seq])
        expect(between.pruneCount).toBe(first?.pruneCount)
        const { tip } = between
        expect(await store.log.position()).toMatchObject({ tip, prunedThrough: b?.seq, pruneCount: second?.pruneCount })
        expect((await store.log.position(topicFilter(['a']))).prunedThrough).toBe(a?.seq)
        expect((await store.log.position(topicFilter(['a']), between.pruneCount)).prunedThrough).toBe(0)
        expect((await store.log.position(topicFilter(['>']), between.pruneCount)).prunedThrough).toBe(b?.seq)

        const prunes = async (after: number, prunedSince: number, patterns: string[]) =>
          (await store.log.read({ after, order: 'asc', limit: 10, topics: topicFilter(patterns), prunedSince })).prunes
        const both = [
          { topic: 'a', through: a?.seq },
          { topic: 'b', through: b?.seq },
        ]
        expect(await prunes(0, 0, ['>'])).toEqual({ count: second?.pruneCount, topics: expect.arrayContaining(both) })
        expect((await prunes(0, 0, ['b']))?.topics).toEqual([both[1]])
        expect((await prunes(0, between.pruneCount, ['>']))?.topics).toEqual([both[1]])
        expect((await prunes(a?.seq ?? 0, 0, ['>']))?.topics).toEqual([both[1]])
        expect((await prunes(b?.seq ?? 0, 0, ['>']))?.topics).toEqual([])
        expect((await store.log.read({ after: 0, order: 'asc', limit: 10 })).prunes).toBeUndefined()
      })

      test('knows pruned messages when they come again, until their ids are forgotten', async () => {
        const store = await open()
        const message = newMessage('a')
        await store.log.append([message])
        await store.log.prune({ defaults: unlimited, now, topic: 'a', limit: 10, through: Number.MAX_SAFE_INTEGER })
        const again = await store.log.append([message, newMessage('a')])
        expect(again.entries.map((entry) => [entry.known, entry.message === undefined])).toEqual([
          [true, true],
          [false, false],
        ])
        const newest = again.entries[1]?.message?.seq
        expect((await store.log.position()).tip).toBe(newest)
        expect(await store.log.forget({ now: 1, idsBefore: now, keysBefore: 0, limit: 10 })).toBe(0)
        expect(await store.log.forget({ now: 1, idsBefore: now + 1, keysBefore: 0, limit: 10 })).toBe(1)
        expect((await store.log.append([message])).entries[0]?.known).toBe(false)
      })
    })

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

    describe('topics', () => {
      const byDefault = { maxAgeMs: null, maxMessages: null, maxBytes: null }

      test('joins and leaves, and says what changed', async () => {
        const store = await open()
        expect(await store.topics.get('orders')).toBeUndefined()
        expect(await store.topics.join('orders', 1_000, someone)).toBe(true)
        expect(await store.topics.join('orders', 1_000, someone)).toBe(false)
        expect(await store.topics.get('orders')).toEqual({
          topic: 'orders',
          joined: true,
          joinedAt: 1_000,
          messages: 0,
          bytes: 0,
          earliest: 0,
          latest: 0,
          retention: byDefault,
        })
        await store.stop()
        const again = await reopen()
        expect(await again.topics.joined()).toEqual(['orders'])
        expect(await again.topics.leave('orders')).toBe(true)
        expect(await again.topics.leave('orders')).toBe(false)
        expect(await again.topics.leave('never joined')).toBe(false)
        expect(await again.topics.joined()).toEqual([])
        expect(await again.topics.get('orders')).toBeUndefined()
      })

      describe('are joined by clients', () => {
        const by = (client: string, explicit = false) => ({ client, explicit })

        test('of which it is known since when, until when and how', async () => {
          const store = await open()
          expect(await store.topics.join('orders', 1_000, by('b'))).toBe(true)
          expect(await store.topics.join('orders', 2_000, by('a', true))).toBe(false)
          expect(await store.topics.join('orders', 3_000, by('b', true))).toBe(false)
          expect(await store.topics.join('news', 1_500, by('a'))).toBe(true)
          await store.topics.used('a', ['news', 'orders', 'never joined'], 4_000)
          await store.stop()
          const { topics } = await reopen()
          expect(await topics.joins()).toEqual([
            { topic: 'orders', client: 'b', explicit: true, joinedAt: 1_000, usedAt: 3_000 },
            { topic: 'news', client: 'a', explicit: false, joinedAt: 1_500, usedAt: 4_000 },
            { topic: 'orders', client: 'a', explicit: true, joinedAt: 2_000, usedAt: 4_000 },
          ])
          await topics.join('news', 5_000, by('a'))
          await topics.join('orders', 5_000, by('b'))
          expect((await topics.joins()).map(({ explicit, joinedAt }) => [explicit, joinedAt])).toEqual([
            [true, 1_000],
            [false, 1_500],
            [true, 2_000],
          ])
        })

        test('and stay joined until the last has given up what it has not joined explicitly', async () => {
          const { topics } = await open()
          await topics.join('both', 1_000, by('a'))
          await topics.join('both', 2_000, by('b'))
          await topics.join('kept', 1_000, by('a', true))
          await topics.join('other', 1_000, by('a'))
          expect(await topics.giveUp({ client: 'nobody' })).toBe(false)
          expect(await topics.giveUp({ client: 'a', topic: 'both' })).toBe(false)
          expect(await topics.joined()).toEqual(['both', 'kept', 'other'])
          expect(await topics.giveUp({ usedBefore: 2_000 })).toBe(true)
          expect(await topics.joined()).toEqual(['both', 'kept'])
          expect(await topics.giveUp({ client: 'b' })).toBe(true)
          expect([await topics.joined(), (await topics.get('both'))?.joinedAt]).toEqual([['kept'], undefined])
          expect(await topics.leave('kept')).toBe(true)
          expect([await topics.joined(), await topics.joins()]).toEqual([[], []])
        })

        test('at most a hundred of each topic, but for those who join it explicitly', async () => {
          const { topics } = await open()
          for (let number = 0; number < 101; number++) await topics.join('orders', 1_000, by(`client ${number}`))
          expect(await topics.joins()).toHaveLength(100)
          await topics.join('orders', 2_000, by('explicit', true))
          await topics.join('orders', 3_000, by('client 0'))
          const joins = await topics.joins()
          expect(joins.map(({ client }) => client)).toContain('explicit')
          expect(joins.find(({ client }) => client === 'client 0')?.usedAt).toBe(3_000)
        })
      })

      test('counts messages and bytes, and keeps them when the topic is left', async () => {
        const store = await open()
        await store.topics.join('a', 1_000, someone)
        const { entries } = await store.log.append([
          newMessage('b', { data: new Uint8Array(7) }),
          newMessage('a', { data: new Uint8Array(10) }),
          newMessage('a', { data: new Uint8Array(5) }),
        ])
        const [b, first, last] = entries.map(({ message }) => message?.seq ?? 0)
        const expected = { topic: 'a', messages: 2, bytes: 15, earliest: (first ?? 0) - 1, latest: last, retention: byDefault }
        expect(await store.topics.get('a')).toEqual({ ...expected, joined: true, joinedAt: 1_000 })
        expect(await store.topics.get('b')).toEqual({
          topic: 'b',
          joined: false,
          joinedAt: null,
          messages: 1,
          bytes: 7,
          earliest: (b ?? 0) - 1,
          latest: b,
          retention: byDefault,
        })
        await store.topics.leave('a')
        expect(await store.topics.get('a')).toEqual({ ...expected, joined: false, joinedAt: null })
        await store.topics.join('a', 2_000, someone)
        expect(await store.topics.get('a')).toEqual({ ...expected, joined: true, joinedAt: 2_000 })
      })

      test('lists by name, page by page', async () => {
        const store = await open()
        for (const topic of ['b', 'é', 'a', '😀', 'ab']) await store.topics.join(topic, 1_000, someone)
        await store.log.append([newMessage('c')])
        expect((await store.topics.list({ limit: 100 })).map(({ topic }) => topic)).toEqual(['a', 'ab', 'b', 'c', 'é', '😀'])
        expect((await store.topics.list({ after: 'ab', limit: 2 })).map(({ topic }) => topic)).toEqual(['b', 'c'])
        expect(await store.topics.joined()).toEqual(['a', 'ab', 'b', 'é', '😀'])
      })
    })

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
        await store.peers.save([
          { ...seen, multiaddrs: ['/ip4/192.0.2.2/tcp/1', '/ip4/192.0.2.1/tcp/1'], seenAt: 3_000, protocols: ['/a'] },
        ])
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

    describe('tokens', () => {
      const token = (id: string, createdAt: number, expiresAt?: number) => ({
        id,
        name: `token ${id}`,
        hash: Uint8Array.from(Buffer.from(id.padEnd(32, id).slice(0, 32))),
        actions: ['read', 'publish'],
        topics: ['orders', 'news.*'],
        createdAt,
        expiresAt,
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

      test('are changed when a check of all of them allows it', async () => {
        const store = await open()
        const seen: string[][] = []
        const check = (answer: boolean) => (tokens: TokenRecord[]) => {
          seen.push(tokens.map(({ id }) => id))
          return answer
        }
        expect(await store.tokens.add(token('a', 1_000), { check: check(false) })).toBe('refused')
        expect(await store.tokens.add(token('a', 1_000), { check: check(true) })).toBe('added')
        expect(await store.tokens.remove('b', check(true))).toBe('unknown')
        expect(await store.tokens.remove('a', check(false))).toBe('refused')
        expect((await store.tokens.list()).map(({ id }) => id)).toEqual(['a'])
        expect(await store.tokens.remove('a', check(true))).toBe('removed')
        expect(seen).toEqual([[], [], ['a'], ['a']])
      })

      test('are created once by a key, whichever process asks, and noted with it as they were; an old key creates again', async () => {
        const stores = [await open(), await reopen()]
        const key = (createdAt: number, since: number) => ({ key: 'a token k', fingerprint: Uint8Array.of(7), createdAt, since })
        const add = async (store: Store, id: string, at: number) =>
          await store.tokens.add(token(id, at, 9_000), { key: key(at, at - 1_000), check: (tokens) => tokens.length === 0 })
        expect(await Promise.all(stores.map((store, index) => add(store, `t${index}`, 5_000)))).toEqual(
          expect.arrayContaining(['added', 'known']),
        )
        const [store, other] = stores
        if (store === undefined || other === undefined) throw new Error('there are two')
        const [made, ...more] = await store.tokens.list()
        expect([made?.id, more]).toEqual([expect.stringMatching('^t[01]$'), []])
        const { hash: _, ...view } = token(made?.id ?? '', 5_000, 9_000)
        await store.tokens.rename(view.id, 'renamed')
        await store.tokens.remove(view.id)
        const noted = await other.tokens.createdUnder('a token k', 5_000)
        expect({ ...noted, fingerprint: Uint8Array.from(noted?.fingerprint ?? []) }).toEqual({ fingerprint: Uint8Array.of(7), token: view })
        expect(await store.tokens.createdUnder('a token k', 5_001)).toBeUndefined()
        expect(await store.tokens.createdUnder('a token other', 0)).toBeUndefined()
        expect([await add(other, 'b', 6_000), await add(other, 'b', 6_001)]).toEqual(['known', 'added'])
        expect(await store.tokens.add(token('c', 1), { key: { ...key(7_000, 0), key: 'a token c' }, check: () => false })).toBe('refused')
        expect(await store.tokens.createdUnder('a token c', 0)).toBeUndefined()
        expect([await store.log.countKeys('a token ', 10), await store.log.countKeys('a publish ', 10)]).toEqual([1, 0])
        await store.stop()
        expect((await other.tokens.createdUnder('a token k', 6_001))?.token.id).toBe('b')
      })

      test('are changed one after another, whichever process asks: of two that are to be the first one is, of the last two one stays', async () => {
        const stores = [await open(), await reopen()]
        for (let round = 0; round < 10; round++) {
          const ids = [`one ${round}`, `other ${round}`]
          const check = (tokens: TokenRecord[]) => tokens.length === 0
          const added = await Promise.all(stores.map((store, index) => store.tokens.add(token(ids[index] ?? '', round), { check })))
          expect(added.toSorted()).toEqual(['added', 'refused'])
          await Promise.all(stores.map((store, index) => added[index] === 'added' || store.tokens.add(token(ids[index] ?? '', round))))
          const isNotLast = (tokens: TokenRecord[]) => tokens.length > 1
          const removed = await Promise.all(stores.map((store, index) => store.tokens.remove(ids[index] ?? '', isNotLast)))
          expect(removed.toSorted()).toEqual(['refused', 'removed'])
          await Promise.all(ids.map((id) => stores[0]?.tokens.remove(id)))
        }
      })
    })

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
        const token = { name: 'a', hash: Buffer.alloc(32, 1), actions: ['read'], topics: ['>'], createdAt: 1, expiresAt: undefined }
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

    describe('direct messages', () => {
      test('keep their recipient, lie in no topic, and are found by kind, recipient and id', async () => {
        const store = await open()
        const direct = newMessage(directTopic, { to: otherAuthor })
        await store.log.append([newMessage('orders'), direct])
        expect(await store.log.get(direct.id)).toMatchObject({ to: otherAuthor, topic: directTopic })
        const found = async (query: Partial<LogQuery>) =>
          (await store.log.read({ after: 0, order: 'asc', limit: 10, ...query })).messages.map(({ id }) => id)
        expect(await found({ kind: 'direct' })).toEqual([direct.id])
        expect(await found({ to: otherAuthor })).toEqual([direct.id])
        expect(await found({ to: someAuthor })).toEqual([])
        expect(await found({ topics: { exact: [directTopic], patterns: [] } })).toEqual([direct.id])
        expect(await found({ topics: { exact: [], patterns: ['>'] } })).not.toContain(direct.id)
        expect((await store.topics.list({ limit: 10 })).map(({ topic }) => topic)).toEqual(['orders'])
      })

      test('are pruned as the messages of a topic are', async () => {
        const store = await open()
        await store.log.append([newMessage(directTopic, { to: otherAuthor }), newMessage(directTopic, { to: otherAuthor })])
        const query = { defaults: { maxAgeMs: 0, maxMessages: 1, maxBytes: 0 }, now: firstTime }
        expect(await store.log.prunable(query)).toEqual([directTopic])
        expect(await store.log.prune({ ...query, topic: directTopic, limit: 10 })).toMatchObject({ messages: 1 })
      })
    })

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
      const claim = (store: Store, now: number, by = 'a') =>
        store.deliveries.claim({ by, client: 'tok_1', now, until: now + 100, limit: 10 })

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
        expect([await deliveries.countKeys('tok_a ', createdAt + 1, 100), await deliveries.countKeys('tok_a ', createdAt, 1)]).toEqual([
          0, 1,
        ])
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

    describeDamage(open, (what) => place.spoil(what))
    describeDeletion(open, reopen)
    describeForgetting(open, reopen)

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
  })
}

type Given<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }

/** A copy without its undefined fields. */
function present<Fields extends object>(fields: Fields): Given<Fields>
function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
