import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createRing } from '../../src/log/ring.ts'
import { storedMessage } from '../fixtures/messages.ts'

const item = (seq: number, size = 10) => ({ message: storedMessage(seq, 'orders', new Uint8Array(size)) })
const seqs = (items: Iterable<{ message: { seq: number } }>) => [...items].map(({ message }) => message.seq)

test('answers what lies after a position', () => {
  const ring = createRing({ maxRingMessages: 10, maxRingBytes: 1_000 }, 5)
  for (const seq of [6, 8, 9]) ring.push(item(seq))
  expect(seqs(ring.after(5))).toEqual([6, 8, 9])
  expect(seqs(ring.after(6))).toEqual([8, 9])
  expect(seqs(ring.after(7))).toEqual([8, 9])
  expect(seqs(ring.after(9))).toEqual([])
})

test('drops the oldest beyond its count and raises the floor to them', () => {
  const ring = createRing({ maxRingMessages: 2, maxRingBytes: 1_000 }, 0)
  for (const seq of [1, 2, 3, 4]) ring.push(item(seq))
  expect([ring.floor, ring.tip, seqs(ring.after(ring.floor))]).toEqual([2, 4, [3, 4]])
})

test('drops the oldest beyond its bytes, but keeps the newest however large it is', () => {
  const ring = createRing({ maxRingMessages: 10, maxRingBytes: 100 }, 0)
  ring.push(item(1, 60))
  ring.push(item(2, 60))
  expect(seqs(ring.after(ring.floor))).toEqual([2])
  ring.push(item(3, 500))
  expect(seqs(ring.after(ring.floor))).toEqual([3])
})

test('holds exactly the messages between floor and tip, whatever was pushed', () => {
  const push = fc.record({ gap: fc.integer({ min: 1, max: 5 }), size: fc.integer({ min: 0, max: 50 }) })
  fc.assert(
    fc.property(fc.array(push, { maxLength: 3_000 }), fc.integer({ min: 1, max: 40 }), (pushes, count) => {
      const ring = createRing({ maxRingMessages: count, maxRingBytes: 400 }, 0)
      const all: number[] = []
      for (const { gap, size } of pushes) {
        all.push((all.at(-1) ?? 0) + gap)
        ring.push(item(all.at(-1) ?? 0, size))
      }
      expect(seqs(ring.after(ring.floor))).toEqual(all.filter((seq) => seq > ring.floor))
      expect(ring.tip).toBe(all.at(-1) ?? 0)
    }),
    { numRuns: 50 },
  )
})
