import { expect, test } from 'vitest'
import { topicFilter } from '../../src/model/topic.ts'
import { storedMessage } from '../fixtures/messages.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqliteStore } from './sqlite-place.ts'

test('many patterns are compared with many topics in turns, however many ask at once, and the ends are found', async () => {
  await using store = sqliteStore(await temporaryDirectory())
  await store.start()
  const topics = 1_000
  await store.log.append(Array.from({ length: topics }, (_, index) => storedMessage(index + 1, `a.${index}.b`)))
  const patterns = (form: (number: number) => string) => topicFilter(Array.from({ length: 100 }, (_, number) => form(number)))
  let turns = 0
  let isCounting = true
  const count = () => {
    turns++
    if (isCounting) setImmediate(count)
  }
  setImmediate(count)
  let paid = 0
  const pay = (comparisons: number) => {
    paid += comparisons
  }
  // An index does not tell these apart, since all of them begin with the levels of each topic.
  const alike = patterns((number) => ['a.*', '*.*'][number % 2] + '.b.*'.repeat(number + 1).slice(0, 24))
  const asking = Array.from({ length: 10 }, () => store.log.position(alike, 0, pay))
  for (const position of await Promise.all(asking)) expect(position).toMatchObject({ tip: topics, earliest: topics })
  isCounting = false
  // Of which a turn has about twenty thousand.
  expect(turns).toBeGreaterThanOrEqual(paid / 50_000)
  expect(turns).toBeGreaterThanOrEqual(3)
  expect(await store.log.position(patterns((number) => `*.${300 + number}.*`))).toMatchObject({ tip: topics, earliest: 300 })
  // A few are compared at once.
  expect(await store.log.position(topicFilter(['*.7.*', '*.none']))).toMatchObject({ tip: topics, earliest: 7, messages: 1 })
  expect(await store.log.position(topicFilter(['*.none.*']))).toMatchObject({ tip: topics, earliest: topics, messages: 0 })
})
