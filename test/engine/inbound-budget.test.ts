import { expect, test } from 'vitest'
import { createInboundBudget } from '../../src/engine/inbound-budget.ts'

/** What a message costs beside its data. */
const overhead = 512
const size = 10 + overhead

function budgetOf(messages: { inbox?: number; topic?: number }) {
  const budget = createInboundBudget({
    limits: { maxInboxBytes: (messages.inbox ?? 100) * size, maxTopicInboxBytes: (messages.topic ?? 100) * size },
  })
  return {
    budget,
    enter: (dataBytes = 10) => budget.enter(dataBytes, () => undefined),
    /** A message that waits for its verdict. */
    wait(author: string, topic: string, dataBytes = 10) {
      using message = budget.enter(dataBytes, () => undefined)
      return message?.admit(author, topic)
    },
  }
}

test('maxInboxBytes: messages that are verified and messages that wait have one bound together', () => {
  const { budget, enter, wait } = budgetOf({ inbox: 3 })
  const waiting = wait('one', 'orders')
  const verifying = [enter(), enter()]
  expect(verifying).not.toContain(undefined)
  expect(enter(0)).toBeUndefined()
  expect(budget.refused).toBe(1)
  verifying[0]?.[Symbol.dispose]()
  expect(enter(11)).toBeUndefined()
  expect(enter()).toBeDefined()
  waiting?.[Symbol.dispose]()
  waiting?.[Symbol.dispose]()
  expect(enter()).toBeDefined()
  expect(enter(0)).toBeUndefined()
})

test('a message counts to its link until it is verified, and only once', () => {
  const { budget } = budgetOf({})
  const left: number[] = []
  const [forged, genuine] = [1, 2].map(() => budget.enter(10, (bytes) => left.push(bytes)))
  expect(genuine?.bytes).toBe(size)
  genuine?.admit('one', 'orders')
  expect(left).toEqual([size])
  genuine?.[Symbol.dispose]()
  expect(left).toEqual([size])
  forged?.[Symbol.dispose]()
  forged?.[Symbol.dispose]()
  expect(left).toEqual([size, size])
})

test('maxTopicInboxBytes: messages of one topic that wait leave room for the others', () => {
  const { budget, wait } = budgetOf({ topic: 2 })
  const [first] = [wait('one', 'orders'), wait('two', 'orders')]
  expect(wait('three', 'orders')).toBeUndefined()
  expect(budget.refused).toBe(1)
  expect(wait('three', 'news')).toBeDefined()
  first?.[Symbol.dispose]()
  expect(wait('three', 'orders', 11)).toBeUndefined()
  expect(wait('three', 'orders')).toBeDefined()
})

test('the messages of one author that wait have a quarter of the room while others have any, and one message however large it is', () => {
  const { budget, wait } = budgetOf({ inbox: 16 })
  wait('other', 'orders')
  for (let count = 0; count < 4; count++) expect(wait('one', 'orders')).toBeDefined()
  expect(wait('one', 'orders')).toBeUndefined()
  expect(budget.refused).toBe(1)
  expect(wait('other', 'orders')).toBeDefined()
  expect(budgetOf({ inbox: 1 }).wait('one', 'orders')).toBeDefined()
})

test('an author whose messages are forged keeps its share', () => {
  const { enter, wait } = budgetOf({ inbox: 8 })
  wait('other', 'orders')
  // The forger says that they are of "one".
  expect([1, 2, 3, 4].map(() => enter())).not.toContain(undefined)
  expect([wait('one', 'orders'), wait('one', 'orders')]).not.toContain(undefined)
})

test('small messages are bounded by their number', () => {
  const budget = createInboundBudget({ limits: { maxInboxBytes: 2 ** 30, maxTopicInboxBytes: 2 ** 30 } })
  const authors = Array.from({ length: 20_000 }, (_, index) => budget.enter(0, () => undefined)?.admit(`${index % 10}`, 'orders'))
  expect(authors).not.toContain(undefined)
  const verifying = Array.from({ length: 20_000 }, () => budget.enter(0, () => undefined))
  expect(verifying).not.toContain(undefined)
  expect(budget.enter(0, () => undefined)).toBeUndefined()
  authors[0]?.[Symbol.dispose]()
  verifying[0]?.[Symbol.dispose]()
  expect([1, 2, 3].map(() => budget.enter(0, () => undefined) !== undefined)).toEqual([true, true, false])
})

test('no more than a second of work is being verified', () => {
  const budget = createInboundBudget({ limits: { maxInboxBytes: 2 ** 30, maxTopicInboxBytes: 2 ** 30 } })
  const last = budget.enter(8_388_608 - overhead, () => undefined)
  expect(budget.canVerify).toBe(true)
  const one = budget.enter(0, () => undefined)
  expect(budget.canVerify).toBe(false)
  one?.admit('one', 'orders')
  expect(budget.canVerify).toBe(true)
  last?.[Symbol.dispose]()
  expect(budget.canVerify).toBe(true)
})
