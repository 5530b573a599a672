import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPacedQueue } from '../../../src/engine/libp2p/gossip/paced-queue.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A queue to a receiver that reads after so many milliseconds. */
function queue(init: { readMs?: number; maxItems?: number; maxBytes?: number } = {}) {
  const { readMs = 0, maxItems = 100, maxBytes = 1_000 } = init
  const receiver = { sent: [] as number[], tries: 0, isOpen: true, rooms: 0, follows: 0, readMs, pauseMs: 10, alone: [] as number[] }
  const parts = createPacedQueue<number>(
    { maxItems, maxBytes },
    {
      pauseMs: () => receiver.pauseMs,
      isAlone: (item) => receiver.alone.includes(item),
      send(item) {
        receiver.tries++
        if (receiver.isOpen) receiver.sent.push(item)
        return receiver.isOpen
      },
      untilRead: () => new Promise((resolve) => setTimeout(resolve, receiver.readMs)),
      onRoom: () => void receiver.rooms++,
      onFollow: () => void receiver.follows++,
    },
  )
  return { receiver, parts, add: (...items: number[]) => items.map((item) => parts.add(item, 10)) }
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

test('sends the first at once, and each other after a pause', async () => {
  const { receiver, add } = queue()
  add(1, 2, 3)
  expect(receiver.sent).toEqual([1])
  await pass(9)
  expect(receiver.sent).toEqual([1])
  await pass(2)
  expect(receiver.sent).toEqual([1, 2])
  await pass(11)
  expect(receiver.sent).toEqual([1, 2, 3])
})

test('is idle when nothing waits, all was read, and the last pause is over', async () => {
  const { add, parts } = queue({ readMs: 15 })
  expect(parts.isIdle).toBe(true)
  add(1)
  await pass(11)
  expect(parts.isIdle).toBe(false)
  await pass(10)
  expect(parts.isIdle).toBe(true)
})

test('names what it sends next', async () => {
  const { parts, add } = queue()
  expect(parts.first).toBeUndefined()
  add(1, 2, 3)
  expect(parts.first).toBe(2)
  await pass(12)
  expect(parts.first).toBe(3)
})

test('makes the pause that the receiver needs by then', async () => {
  const { receiver, add } = queue()
  add(1, 2, 3)
  await pass(11)
  expect(receiver.sent).toEqual([1, 2])
  add(4)
  receiver.pauseMs = 30
  await pass(11)
  expect(receiver.sent).toEqual([1, 2, 3])
  await pass(26)
  expect(receiver.sent).toEqual([1, 2, 3])
  await pass(5)
  expect(receiver.sent).toEqual([1, 2, 3, 4])
})

test('does not make up for a late event loop: what gathered meanwhile is kept apart too', async () => {
  const { receiver, add } = queue()
  add(1, 2, 3)
  vi.setSystemTime(Date.now() + 1_000)
  await pass(11)
  expect(receiver.sent).toEqual([1, 2])
})

test('sends nothing more while the receiver has not read what was sent', async () => {
  const { receiver, add } = queue({ readMs: 1_000 })
  add(1, 2)
  await pass(999)
  expect(receiver.sent).toEqual([1])
  await pass(1)
  // What has just been read is still being worked on.
  expect(receiver.sent).toEqual([1])
  await pass(5)
  expect(receiver.sent).toEqual([1, 2])
})

test('has as many on a long way as the pauses allow, and no more when the receiver stops', async () => {
  const { receiver, add } = queue({ readMs: 50, maxItems: 10_000, maxBytes: 1_000_000 })
  add(...Array.from({ length: 9_000 }, (_, index) => index))
  // Until it is believed that the way is long.
  await pass(30_000)
  const before = receiver.sent.length
  await pass(1_000)
  expect(receiver.sent.length - before).toBeGreaterThan(60)
  receiver.readMs = 60_000
  await pass(60)
  const stopped = receiver.sent.length
  await pass(10_000)
  expect(receiver.sent.length - stopped).toBeLessThan(6)
})

test('holds so many items and bytes, and tells when half of the room is free again', async () => {
  const { receiver, add, parts } = queue({ maxItems: 4 })
  expect(add(1, 2, 3, 4, 5, 6)).toEqual([true, true, true, true, true, false])
  await pass(11)
  expect(receiver.rooms).toBe(0)
  await pass(11)
  expect(receiver.rooms).toBe(1)
  await pass(50)
  expect(receiver.rooms).toBe(1)
  expect(parts.add(7, 5_000)).toBe(true)
  expect(parts.add(8, 5_000)).toBe(true)
  expect(parts.add(9, 1)).toBe(false)
  expect(receiver.sent).toEqual([1, 2, 3, 4, 5, 7])
})

test('keeps what can not be sent now', async () => {
  const { receiver, add, parts } = queue()
  receiver.isOpen = false
  add(1, 2)
  await pass(100)
  expect([parts.first, parts.isIdle]).toEqual([1, false])
  receiver.isOpen = true
  parts.resume()
  expect(receiver.sent).toEqual([1])
  parts.resume()
  expect(receiver.sent).toEqual([1])
})

test('tries seldom while it can not send, and goes on by itself', async () => {
  const { receiver, add } = queue()
  receiver.isOpen = false
  add(1, 2)
  await pass(10_000)
  expect(receiver.tries).toBeLessThan(12)
  receiver.isOpen = true
  await pass(1_100)
  expect(receiver.sent).toEqual([1, 2])
})

test('sends everything at once when it is told to', async () => {
  const { receiver, add, parts } = queue({ readMs: 1_000 })
  add(1, 2, 3)
  parts.hurry()
  expect(receiver.sent).toEqual([1, 2, 3])
})

test('sends at once what comes before one that is taken alone', async () => {
  const { receiver, add, parts } = queue()
  receiver.alone = [3]
  add(1, 2, 3, 4)
  parts.hurry()
  expect(receiver.sent).toEqual([1, 2])
  expect(parts.isIdle).toBe(false)
  await pass(100)
  expect(receiver.sent).toEqual([1, 2, 3, 4])
})

test('has nothing follow one that is taken alone until it was read, however long the others take, and its pause is over', async () => {
  const { receiver, add, parts } = queue({ readMs: 100 })
  add(...Array.from({ length: 90 }, () => 0))
  await pass(20_000)
  receiver.alone = [1]
  // Several of the others are in flight by now.
  add(0, 0)
  await pass(11)
  expect(receiver.sent.length).toBe(92)
  add(1, 1, 2)
  const sent = () => receiver.sent.slice(92)
  await pass(30)
  expect(sent()).toEqual([1])
  receiver.readMs = 600
  await pass(110)
  expect([sent(), parts.mayFollow, receiver.follows]).toEqual([[1, 1], false, 1])
  parts.hurry()
  await pass(550)
  expect([sent(), parts.mayFollow, parts.isIdle]).toEqual([[1, 1], false, false])
  await pass(60)
  expect([sent(), parts.mayFollow, receiver.follows]).toEqual([[1, 1, 2], true, 2])
})

test('has anything follow when it was emptied, and the next that is taken alone waits for its own answer', async () => {
  const { receiver, add, parts } = queue({ readMs: 100 })
  add(...Array.from({ length: 90 }, () => 0))
  await pass(20_000)
  const sent = () => receiver.sent.slice(90)
  receiver.alone = [1]
  add(1, 2)
  await pass(80)
  expect(parts.clear()).toBe(2)
  expect([parts.mayFollow, receiver.follows]).toEqual([true, 1])
  add(1, 2)
  await pass(60)
  // The first was read meanwhile.
  expect([sent(), parts.mayFollow]).toEqual([[1, 1], false])
  await pass(60)
  expect(sent()).toEqual([1, 1, 2])
})

test('is not idle behind one that is taken alone, also when it is told to hurry', async () => {
  const { receiver, add, parts } = queue()
  receiver.alone = [1]
  add(1)
  parts.hurry()
  expect(parts.isIdle).toBe(false)
  await pass(11)
  expect(parts.isIdle).toBe(true)
})

test('forgets what waits, and tells what was first', async () => {
  const { receiver, add, parts } = queue()
  add(1, 2, 3)
  expect(parts.clear()).toBe(2)
  expect(parts.clear()).toBe(undefined)
  await pass(100)
  expect(receiver.sent).toEqual([1])
})

test('does not believe in a long way because of one delay', async () => {
  const { receiver, add } = queue({ maxBytes: 10_000 })
  add(...Array.from({ length: 99 }, (_, index) => index))
  await pass(100)
  receiver.readMs = 1_000
  await pass(20)
  receiver.readMs = 60_000
  const before = receiver.sent.length
  await pass(3_000)
  expect(receiver.sent.length - before).toBeLessThan(4)
})

test('has the room of what was sent, or forgotten, again', async () => {
  const { receiver, parts } = queue()
  for (let round = 0; round < 3; round++) {
    expect([parts.add(1, 400), parts.add(2, 400), parts.add(3, 400)]).toEqual([true, true, true])
    await pass(100)
  }
  expect([parts.add(1, 400), parts.add(2, 400), parts.add(3, 400), parts.add(4, 400)]).toEqual([true, true, true, false])
  expect(parts.clear()).toBe(2)
  await pass(100)
  expect([parts.add(1, 400), parts.add(2, 400), parts.add(3, 400)]).toEqual([true, true, true])
  await pass(100)
  // What was refused has been forgotten with what waited.
  expect(receiver.rooms).toBe(0)
})

test('tells of room when half of the bytes are free', async () => {
  const { receiver, parts } = queue()
  expect([1, 2, 3, 4, 5].map((item) => parts.add(item, 300))).toEqual([true, true, true, true, false])
  await pass(11)
  expect(receiver.rooms).toBe(0)
  await pass(11)
  expect(receiver.rooms).toBe(1)
})

test('tells of room when it has sent everything at once', () => {
  const { receiver, add, parts } = queue({ maxItems: 2 })
  expect(add(1, 2, 3, 4)).toEqual([true, true, true, false])
  parts.hurry()
  expect(receiver.rooms).toBe(1)
})

test('makes its pauses also when it is told to go on, and waits no longer for what was blocked before it was emptied', async () => {
  const { receiver, add, parts } = queue()
  add(1, 2)
  await pass(5)
  parts.resume()
  expect(receiver.sent).toEqual([1])
  receiver.isOpen = false
  await pass(11)
  parts.clear()
  receiver.isOpen = true
  add(3)
  await pass(11)
  expect(receiver.sent).toEqual([1, 3])
})
