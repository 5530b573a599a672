import { expect, test } from 'vitest'
import { createBeginning } from '../../src/log/beginning.ts'

const now = 1_000_000
const pauseMs = 10

/** Messages that were stored so many milliseconds ago, the newest first, with the highest seq. */
const stored = (...ages: number[]) => ages.map((age, index) => ({ seq: 1_000 - index, storedAt: now - age }))
const everyMs = (ms: number, { since, until = 0 }: { since: number; until?: number }) =>
  Array.from({ length: Math.floor((since - until) / ms) }, (_, index) => until + index * ms)

function beginning(messages: ReturnType<typeof stored>) {
  const found = createBeginning({ now, pauseMs, tip: 1_000 })
  const isOpen = found.add(messages)
  return { isOpen, place: found.place() }
}

test('of a quiet topic, a peer begins with the messages of the last five seconds', () => {
  expect(beginning(stored(1_000, 4_000, 6_000, 60_000))).toEqual({ isOpen: false, place: 998 })
  expect(beginning(stored(6_000))).toEqual({ isOpen: true, place: 1_000 })
  expect(beginning([])).toEqual({ isOpen: true, place: 1_000 })
})

test('of a topic with more messages than such a peer takes, it begins where the queue of another node may stand', () => {
  // 200 messages a second for ten seconds: 2,000, of which half the pace has sent 500 ten seconds after the first.
  const ages = everyMs(5, { since: 10_000 })
  const { place } = beginning(stored(...ages))
  const behind = 1_000 - place
  expect(behind).toBeGreaterThan(1_500)
  // Those that were sent more than five seconds ago are not sent again.
  expect(behind).toBeLessThan(1_800)
})

test('a burst that is long over may be in a queue still, and one that is over longer is not', () => {
  const burst = (ago: number) => stored(...Array.from({ length: 2_000 }, () => ago))
  // It takes 40 s to send.
  expect(1_000 - beginning(burst(20_000)).place).toBeGreaterThan(1_000)
  expect(beginning(burst(50_000)).place).toBe(1_000)
})

test('no more is read once a queue would have had nothing to send for half a minute, or of 20,000 messages', () => {
  const found = createBeginning({ now, pauseMs, tip: 1_000 })
  expect(found.add(stored(...everyMs(1_000, { since: 30_000 })))).toBe(true)
  expect(found.add(stored(30_000, 36_000, 37_000))).toBe(false)
  const busy = createBeginning({ now, pauseMs, tip: 1_000 })
  expect(busy.add(stored(...Array.from({ length: 20_000 }, () => 1)))).toBe(true)
  expect(busy.add(stored(1))).toBe(false)
})

test('nothing that is older than a minute is handed to it: peers forget the ids of messages', () => {
  // A minute and a half of twice as many as it takes.
  const found = createBeginning({ now, pauseMs, tip: 100_000 })
  const messages = everyMs(5, { since: 90_000 }).map((age, index) => ({ seq: 100_000 - index, storedAt: now - age }))
  expect(found.add(messages)).toBe(false)
  // Less what half of the pace has sent until five seconds ago.
  expect(100_000 - found.place()).toBe(60_000 / 5 + 1 - 55_000 / (2 * pauseMs))
})
