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
  const asking = Array.from({ length: 5 }, () => store.log.position(patterns((number) => `*.${300 + number}.*`)))
  for (const position of await Promise.all(asking)) expect(position).toMatchObject({ tip: topics, earliest: 300, messages: undefined })
  isCounting = false
  // Half a million comparisons, of which a turn has twenty thousand.
  expect(turns).toBeGreaterThanOrEqual(20)
  // A few are compared at once.
  expect(await store.log.position(topicFilter(['*.7.*', '*.none']))).toMatchObject({ tip: topics, earliest: 7, messages: 1 })
  expect(await store.log.position(topicFilter(['*.none.*']))).toMatchObject({ tip: topics, earliest: topics, messages: 0 })
})
