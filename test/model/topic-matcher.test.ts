import fc from 'fast-check'
import { expect, test } from 'vitest'
import { directTopic, matchesTopic, topicFilter, withDirect } from '../../src/model/topic.ts'
import { createTopicMatcher } from '../../src/model/topic-matcher.ts'

const level = fc.constantFrom('a', 'b', '')
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('.'))
const patterns = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('*')), { maxLength: 3 }), fc.constantFrom('>', '*', 'a'))
  .map(([levels, last]) => [...levels, last].join('.'))

test('decides as `matchesTopic` does, also of direct messages', () => {
  fc.assert(
    fc.property(fc.array(patterns, { maxLength: 30 }), fc.array(topics), fc.boolean(), (asked, names, direct) => {
      const filter = withDirect(topicFilter(asked), direct)
      const matcher = createTopicMatcher(filter)
      for (const name of [...names, directTopic]) expect(matcher.matches(name)).toBe(matchesTopic(filter, name))
    }),
  )
})

test('a topic is compared with few of many patterns, and the comparisons are counted', () => {
  const matcher = createTopicMatcher(topicFilter(Array.from({ length: 100 }, (_, number) => `*.${number}.b`)))
  expect([matcher.matches('a.7.b'), matcher.matches('a.7.c'), matcher.matches('a.100.b')]).toEqual([true, false, false])
  expect(matcher.comparisons).toBeGreaterThan(0)
  expect(matcher.comparisons).toBeLessThan(30)
})
