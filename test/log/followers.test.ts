import { expect, test, vi } from 'vitest'
import { createFollowers } from '../../src/log/followers.ts'
import { topicFilter } from '../../src/model/topic.ts'
import * as model from '../../src/model/topic-pattern.ts'
import { storedMessage } from '../fixtures/messages.ts'

vi.mock('../../src/model/topic-pattern.ts', { spy: true })

const levels = 14
const deep = Array(levels).fill('a').join('.')
/** All patterns of these levels, in each of which is an `a` or a `*`: they match the one topic. */
const crossing = Array.from({ length: 2 ** levels }, (_, number) =>
  Array.from({ length: levels }, (_each, bit) => ((number >> bit) & 1 ? '*' : 'a')).join('.'),
)

function followers() {
  const all = createFollowers()
  const woken: Array<[string, number]> = []
  const follow = (name: string, ...topics: string[]) => all.add(topicFilter(topics), (first) => woken.push([name, first]))
  return { ...all, follow, woken }
}

test('wakes who follows a topic or a pattern of a batch, once, with its first message', () => {
  const { follow, wake, woken } = followers()
  follow('name', 'orders.1')
  follow('pattern', 'orders.*', 'news')
  const end = follow('ended', 'orders.*', 'orders.1')
  end()
  follow('other', 'nothing', 'no.*')
  wake([storedMessage(1, 'x'), storedMessage(2, 'orders.2'), storedMessage(3, 'orders.1'), storedMessage(4, 'news')])
  expect(woken).toEqual([
    ['pattern', 2],
    ['name', 3],
  ])
})

test('a topic that comes many times in a batch is compared once', () => {
  const { follow, wake, woken } = followers()
  for (let number = 0; number < 50; number++) follow(`${number}`, `${number}.>`, 'orders.*.paid')
  vi.mocked(model.covers).mockClear()
  wake(Array.from({ length: 500 }, (_, seq) => storedMessage(seq + 1, 'orders.1.paid')))
  expect(vi.mocked(model.covers).mock.calls.length).toBeLessThan(60)
  expect(woken).toHaveLength(50)
})

test('thousands of patterns that match topics of a batch are not all compared: who follows patterns is woken then', () => {
  const { follow, wake, woken } = followers()
  for (let at = 0; at < crossing.length; at += 100) follow('crossing', ...crossing.slice(at, at + 100))
  follow('other', 'other.*')
  follow('later', 'later.*')
  follow('name', 'named')
  vi.mocked(model.covers).mockClear()
  wake([
    storedMessage(1, 'x.y'),
    ...Array.from({ length: 100 }, (_, at) => storedMessage(at + 2, `${deep}${at === 0 ? '' : at}`)),
    storedMessage(102, 'later.1'),
  ])
  expect(vi.mocked(model.covers).mock.calls.length).toBeLessThanOrEqual(10_000)
  expect(woken.filter(([name]) => name === 'crossing')).toHaveLength(Math.ceil(crossing.length / 100))
  expect(woken.filter(([name]) => name !== 'crossing')).toEqual([
    ['other', 2],
    ['later', 2],
  ])
})
