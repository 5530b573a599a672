import { expect, test } from 'vitest'
import { createTopicTraffic } from '../../src/log/topic-traffic.ts'
import { directTopic } from '../../src/model/topic.ts'

test('counts what comes and goes of each topic, and nothing of direct messages', () => {
  const traffic = createTopicTraffic()
  for (const topic of ['orders', 'orders', 'news', directTopic]) traffic.stored(topic)
  for (let follower = 0; follower < 3; follower++) traffic.delivered('orders')
  traffic.sent('orders', 4)
  traffic.sent('quiet', 0)
  expect(traffic.of('orders')).toEqual({ stored: 2, delivered: 3, sent: 4 })
  expect(traffic.of('news')).toEqual({ stored: 1, delivered: 0, sent: 0 })
  for (const topic of ['quiet', directTopic]) expect(traffic.of(topic)).toEqual({ stored: 0, delivered: 0, sent: 0 })
})

test('maxTopics: what is counted for the longest time begins anew', () => {
  const traffic = createTopicTraffic({ maxTopics: 2 })
  for (const topic of ['first', 'second', 'third']) traffic.stored(topic)
  expect(['first', 'second', 'third'].map((topic) => traffic.of(topic).stored)).toEqual([0, 1, 1])
  traffic.stored('first')
  expect(traffic.of('first').stored).toBe(1)
})
