import { expect, test } from 'vitest'
import { topicFilter } from '../../src/model/topic.ts'
import { scanRows } from '../../src/store/log-store.ts'
import { storedMessage } from '../fixtures/messages.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqliteStore } from './sqlite-place.ts'

test('a step compares a bounded number of rows and patterns, and the scan still finds what matches', async () => {
  await using store = sqliteStore(await temporaryDirectory())
  await store.start()
  const count = scanRows / 4
  await store.log.append(Array.from({ length: count }, (_, index) => storedMessage(index + 1, index === count - 1 ? 'a.99.b' : 'a.b')))
  const patterns = (form: (number: number) => string) => topicFilter(Array.from({ length: 100 }, (_, number) => form(number)))
  const between = { order: 'asc', limit: 10, topics: patterns((number) => `*.${number}.*`) } as const
  const counted = await store.log.count({ topics: between.topics, after: 0, through: count })
  expect(counted).toEqual({ messages: 0, scanned: scanRows / 10 })
  let after = 0
  const found: string[] = []
  for (let step = 0; after < count; step++) {
    const { messages, scanned } = await store.log.read({ ...between, after })
    found.push(...messages.map(({ topic }) => topic))
    expect(scanned - after).toBeLessThanOrEqual(scanRows / 10)
    expect(step).toBeLessThan(10)
    after = scanned
  }
  expect(found).toEqual(['a.99.b'])
  // Beginnings are compared at once.
  const beginnings = await store.log.read({ order: 'asc', limit: 10, topics: patterns((number) => `c.${number}.>`), after: 0 })
  expect(beginnings).toMatchObject({ messages: [], scanned: count })
})
