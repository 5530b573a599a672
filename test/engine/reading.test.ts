import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createReading } from '../../src/engine/reading.ts'

/** Milliseconds for which a link waits for room at most. */
const maxPauseMs = 5_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Whoever takes messages in has room for a peer until it is full for it. */
function setUp(maxStreamBufferBytes = 1_000) {
  const full = new Set<string>()
  let changed = Promise.withResolvers<void>()
  const reading = createReading(
    { limits: { maxStreamBufferBytes } },
    { inbound: () => ({ onMessage: async () => 'accept', room: (peerId) => (full.has(peerId) ? changed.promise : undefined) }) },
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

test('maxStreamBufferBytes: what of a link is being verified holds that link up, and no other', () => {
  const { link, news } = setUp()
  const [one, other] = [link('one'), link('other')]
  one.hold(1_000)
  expect(one.isOpen).toBe(true)
  one.hold(1)
  expect([one.isOpen, other.isOpen]).toEqual([false, true])
  other.hold(1)
  other.hold(-1)
  one.hold(-1)
  expect(news.at(-1)).toBe('one')
  expect(one.isOpen).toBe(true)
})

test('what of all links is being verified has a bound of its own', () => {
  const { link, news } = setUp(8_388_608)
  const [one, other] = [link('one'), link('other')]
  one.hold(8_388_608)
  other.hold(1)
  expect([one.isOpen, other.isOpen]).toEqual([false, false])
  one.hold(-1)
  expect(news.toSorted()).toEqual(['one', 'other'])
  expect([one.isOpen, other.isOpen]).toEqual([true, true])
})
