import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kindOf, type StoredMessage } from '../../../src/model/message.ts'
import { directTopic, matchesTopic, topicFilter } from '../../../src/model/topic.ts'
import type { Store } from '../../../src/store/store.ts'
import { newMessage, someAuthor } from '../../fixtures/messages.ts'
import { firstTime, otherAuthor, scan } from './shared.ts'

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

/** The contract for what is read of the log, step by step. */
export function describeLogReading(open: () => Promise<Store>): void {
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

    test('many patterns are compared with few of the topics each, in steps that are paid before; one that is not paid ends it', async () => {
      const store = await open()
      const topics = 1_200
      const seqs: number[] = []
      for (let first = 0; first < topics; first += 400) {
        const { entries } = await store.log.append(Array.from({ length: 400 }, (_, index) => newMessage(`a.${first + index}.b`)))
        seqs.push(...entries.flatMap(({ message }) => message?.seq ?? []))
      }
      const filter = topicFilter([...Array.from({ length: 99 }, (_, number) => `*.${1_000 + number}.*`), 'none', '*.no.>'])
      const paid: number[] = []
      expect((await store.log.position(filter, 0, (comparisons) => void paid.push(comparisons))).earliest).toBe((seqs[1_000] ?? 0) - 1)
      // As much as ten comparisons for each topic, and not a hundred.
      expect(paid.reduce((sum, each) => sum + each, 0)).toBeLessThan(25 * topics)
      expect(paid.reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(10 * topics)
      let left = 2
      const refuse = () => {
        if (--left < 0) throw new Error('too much')
      }
      await expect(store.log.position(filter, 0, refuse)).rejects.toThrow('too much')
      const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 500, topics: filter })
      expect(messages.every(({ topic }) => matchesTopic(filter, topic))).toBe(true)
    })

    test('tells what many patterns match of what was pruned and removed as it does of few', async () => {
      const store = await open()
      const names = ['a.1.b', 'a.2.b', 'c.1']
      await store.log.append(names.flatMap((topic) => [newMessage(topic), newMessage(topic)]))
      for (const topic of names) {
        const { tip } = await store.log.position()
        await store.log.prune({ topic, limit: 1, through: tip, now: 1, defaults: { maxAgeMs: 0, maxMessages: 0, maxBytes: 0 } })
      }
      const rest = (await store.log.read({ after: 0, order: 'asc', limit: 10 })).messages
      for (const { id } of rest) await store.log.delete(id, 1)
      const others = Array.from({ length: 30 }, (_, number) => `x.*.${number}`)
      for (const patterns of [['*.1.*'], ['*.1'], ['*.*.b', 'c.*'], ['*.none']]) {
        const ask = (more: string[]) => ({
          after: 0,
          order: 'asc' as const,
          limit: 10,
          prunedSince: 0,
          topics: topicFilter([...patterns, ...more]),
        })
        const [few, many] = [await store.log.read(ask([])), await store.log.read(ask(others))]
        const sorted = ({ prunes }: typeof few) => prunes?.topics.map(({ topic = '' }) => topic).toSorted()
        expect([sorted(many), many.removed, many.prunes?.count]).toEqual([sorted(few), few.removed, few.prunes?.count])
        expect(sorted(many)).toEqual(names.filter((name) => matchesTopic(topicFilter(patterns), name)))
        const ends = async (more: string[]) => ({ ...(await store.log.position(topicFilter([...patterns, ...more]))), messages: 0 })
        expect(await ends(others)).toEqual(await ends([]))
      }
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
  })
}

type Given<Fields> = { [Name in keyof Fields]?: Exclude<Fields[Name], undefined> }

/** A copy without its undefined fields. */
function present<Fields extends object>(fields: Fields): Given<Fields>
function present(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}
