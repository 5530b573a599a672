import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createWrittenLately } from '../../../src/engine/libp2p/gossip/written-lately.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

/** With the ids that it has asked for. */
function setUp() {
  const written = createWrittenLately({ keepMs: 1_000, stepMs: 250 })
  const asked: string[] = []
  return {
    written,
    asked,
    note(id: string, bytes: number) {
      written.note(() => {
        asked.push(id)
        return id
      }, bytes)
    },
  }
}

test('knows the first message and the largest frame within a time, to a quarter of a second', () => {
  const { written, note, asked } = setUp()
  note('a', 100)
  vi.advanceTimersByTime(249)
  note('b', 300)
  note('c', 200)
  vi.advanceTimersByTime(1)
  note('d', 50)
  expect(asked).toEqual(['a', 'd'])
  expect([written.since(10_000), written.largest(10_000)]).toEqual(['a', 300])
  vi.advanceTimersByTime(500)
  expect([written.since(500), written.largest(500)]).toEqual(['a', 300])
  expect([written.since(499), written.largest(499)]).toEqual(['d', 50])
  expect([written.since(249), written.largest(249)]).toEqual([undefined, 0])
})

test('forgets what is older than it is to keep', () => {
  const { written, note } = setUp()
  note('a', 300)
  vi.advanceTimersByTime(1_250)
  note('b', 50)
  expect([written.since(10_000), written.largest(10_000)]).toEqual(['a', 300])
  vi.advanceTimersByTime(1_000)
  note('c', 40)
  expect([written.since(10_000), written.largest(10_000)]).toEqual(['b', 50])
})
