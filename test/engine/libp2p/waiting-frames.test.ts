import { expect, test } from 'vitest'
import { createWaitingFrames } from '../../../src/engine/libp2p/transport/waiting-frames.ts'

test('frames cost their bytes and something more each', () => {
  const frames = createWaitingFrames()
  frames.add(12)
  frames.add(0)
  expect(frames.cost).toBe(12 + 2 * 256)
})

test('those that were taken cost nothing, and one that was taken in part waits', () => {
  const frames = createWaitingFrames()
  for (const size of [100, 200, 300]) frames.add(size)
  frames.keepLast(301)
  expect(frames.cost).toBe(500 + 2 * 256)
  frames.keepLast(300)
  expect(frames.cost).toBe(300 + 256)
  frames.keepLast(0)
  expect(frames.cost).toBe(0)
})

test('a connection that takes everything, but never has nothing to take, costs what it has not taken', () => {
  const frames = createWaitingFrames()
  for (let count = 0; count < 100_000; count++) {
    frames.add(1_000)
    frames.keepLast(3_000)
  }
  expect(frames.cost).toBe(3 * (1_000 + 256))
})
