import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesTopic } from '../../src/model/topic.ts'
import type { TopicStore } from '../../src/store/topic-store.ts'
import { listVisibleTopics } from '../../src/topics/visible-topics.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

/** A store in which these are joined, and how many topics it has answered. */
async function storeOf(names: string[]) {
  const { topics } = createMemoryStore()
  for (const name of names) await topics.join(name, 1, { client: 'tok_1', explicit: true })
  let answered = 0
  const store: Pick<TopicStore, 'list' | 'get'> = {
    async list(query) {
      const records = await topics.list(query)
      answered += records.length
      return records
    },
    async get(name) {
      answered++
      return await topics.get(name)
    },
  }
  return { store, answered: () => answered }
}

test('lists what a filter allows, in the order of code points, page by page', async () => {
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '\uffee', '😀'), minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name, { maxLength: 15 }),
      fc.record({
        exact: fc.uniqueArray(name, { maxLength: 3 }),
        prefixes: fc.uniqueArray(fc.oneof(name, fc.constant('')), { maxLength: 3 }),
      }),
      fc.integer({ min: 1, max: 4 }),
      async (names, visible, limit) => {
        const { store } = await storeOf(names)
        const expected = names.filter((each) => matchesTopic(visible, each))
        const listed: string[] = []
        for (let after: string | undefined; ; after = listed.at(-1)) {
          const page = await listVisibleTopics({ visible, after, limit }, store)
          listed.push(...page.map(({ topic }) => topic))
          if (page.length < limit) break
        }
        expect(listed).toEqual(expected.toSorted((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other))))
      },
    ),
  )
})

test('costs nothing for topics that the filter does not allow', async () => {
  const { store, answered } = await storeOf(Array.from({ length: 500 }, (_, number) => `other.${String(number).padStart(3, '0')}`))
  for (const visible of [
    { exact: ['orders'], prefixes: ['orders.', 'zones.'] },
    { exact: [], prefixes: ['nothing.'] },
  ]) {
    expect(await listVisibleTopics({ visible, after: undefined, limit: 2 }, store)).toEqual([])
  }
  expect(answered()).toBeLessThan(15)
})
