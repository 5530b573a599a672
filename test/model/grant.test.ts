import { expect, test } from 'vitest'
import { Forbidden } from '../../src/errors.ts'
import { fullGrant, type Grant, requireTopics, visibleTopics } from '../../src/model/grant.ts'
import { directTopic, matchesTopic, topicFilter } from '../../src/model/topic.ts'

const reader: Grant = { id: 'tok_1', actions: new Set(['read']), topics: topicFilter(['orders.*', 'news']) }

test('direct messages are read by those who may, whatever topics they may read, and by no pattern', () => {
  const direct = { exact: [directTopic], patterns: [] }
  expect(() => requireTopics(reader, direct)).toThrow(Forbidden)
  expect(() => requireTopics({ ...reader, topics: topicFilter(['>']) }, direct)).toThrow(Forbidden)
  requireTopics(fullGrant('operator'), direct)
  expect(matchesTopic(topicFilter(['>']), directTopic)).toBe(false)
  expect(matchesTopic(direct, directTopic)).toBe(true)
})

test('a pattern is allowed when one of the grant covers it', () => {
  const grant = { ...reader, topics: topicFilter(['orders.*', 'shop.*.till.>', 'news']) }
  const isAllowed = (pattern: string) => {
    try {
      requireTopics(grant, topicFilter([pattern]))
      return true
    } catch {
      return false
    }
  }
  const allowed = ['orders.*', 'orders.new', 'shop.*.till.*', 'shop.north.till.>', 'news']
  const refused = ['orders.>', 'orders', '*', '>', '*.new', 'shop.*.*.1', 'shop.>', 'news.*', 'news.>']
  expect([...allowed, ...refused].filter(isAllowed)).toEqual(allowed)
  expect(() => requireTopics(grant, topicFilter(['orders.*', '>', 'secret']))).toThrow('the topics "secret", ">"')
})

test('of topics a client is told those that it may know of', () => {
  expect(visibleTopics(reader, ['orders.new', 'orders', 'news', 'secret'])).toEqual(['orders.new', 'news'])
})
