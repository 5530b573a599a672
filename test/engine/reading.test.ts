import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createInboundBudget } from '../../src/engine/inbound-budget.ts'
import { createReading } from '../../src/engine/reading.ts'

/** What a message costs beside its data. */
const overhead = 512
/** Milliseconds for which a link waits for room at most. */
const maxPauseMs = 5_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Whoever takes messages in has room for a peer until it is full for it. */
function setUp(maxStreamBufferBytes = 1_000) {
  const full = new Set<string>()
  let changed = Promise.withResolvers<void>()
  const budget = createInboundBudget({ limits: { maxInboxBytes: 67_108_864, maxTopicInboxBytes: 16_777_216 } })
  const reading = createReading(
    { limits: { maxStreamBufferBytes } },
    { budget, inbound: () => ({ onMessage: async () => 'accept', room: (peerId) => (full.has(peerId) ? changed.promise : undefined) }) },
  )
  const news: string[] = []
  return {
    full,
    news,
    link: (peerId: string) => reading.link(peerId, () => news.push(peerId)),
    async tell() {
      changed.resolve()
      changed = Promise.withResolvers()
      await vi.advanceTimersByTimeAsync(0)
    },
  }
}

test('a link is read while there is room for its peer, and is told when there may be some again', async () => {
  const { full, link, tell, news } = setUp()
  const [one, other] = [link('one'), link('other')]
  full.add('one')
  expect([one.isOpen, one.isOpen, other.isOpen]).toEqual([false, false, true])
  await tell()
  expect(news).toEqual(['one'])
  expect(one.isOpen).toBe(false)
  full.clear()
  await tell()
  expect(news).toEqual(['one', 'one'])
  expect(one.isOpen).toBe(true)
})

test('who has waited for room for five seconds is read until there was some, and then waits again', async () => {
  const { full, link, tell, news } = setUp()
  const one = link('one')
  full.add('one')
  expect(one.isOpen).toBe(false)
  await vi.advanceTimersByTimeAsync(maxPauseMs - 1)
  await tell()
  expect(one.isOpen).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(news).toEqual(['one', 'one'])
  expect([one.isOpen, one.isOpen]).toEqual([true, true])
  full.clear()
  expect(one.isOpen).toBe(true)
  full.add('one')
  expect(one.isOpen).toBe(false)
})

test('who had room in between waits for five seconds again', async () => {
  const { full, link } = setUp()
  const one = link('one')
  full.add('one')
  expect(one.isOpen).toBe(false)
  await vi.advanceTimersByTimeAsync(3_000)
  full.clear()
  expect(one.isOpen).toBe(true)
  full.add('one')
  expect(one.isOpen).toBe(false)
  await vi.advanceTimersByTimeAsync(maxPauseMs - 1)
  expect(one.isOpen).toBe(false)
  await vi.advanceTimersByTimeAsync(1)
  expect(one.isOpen).toBe(true)
})

test('maxStreamBufferBytes: messages of a link that are being verified hold that link up, and no other', () => {
  const { link, news } = setUp()
  const [one, other] = [link('one'), link('other')]
  const first = one.enter(1_000 - overhead)
  expect(one.isOpen).toBe(true)
  const second = one.enter(0)
  expect([one.isOpen, other.isOpen]).toEqual([false, true])
  other.enter(1)?.[Symbol.dispose]()
  expect(one.isOpen).toBe(false)
  second?.[Symbol.dispose]()
  expect(news.at(-1)).toBe('one')
  expect(one.isOpen).toBe(true)
  first?.[Symbol.dispose]()
})

test('a link is read again when a message is verified, although its verdict is not there', () => {
  const { link, news } = setUp()
  const one = link('one')
  const message = one.enter(1_000)
  expect(one.isOpen).toBe(false)
  message?.admit('author', 'orders')
  expect(news).toEqual(['one'])
  expect(one.isOpen).toBe(true)
})

test('messages of all links that are being verified have a bound of their own', () => {
  const { link, news } = setUp(8_388_608)
  const [one, other] = [link('one'), link('other')]
  one.enter(8_388_608 - overhead)
  const last = other.enter(0)
  expect([one.isOpen, other.isOpen]).toEqual([false, false])
  last?.[Symbol.dispose]()
  expect(news.toSorted()).toEqual(['one', 'other'])
  expect([one.isOpen, other.isOpen]).toEqual([true, true])
})
