import { expect, test } from 'vitest'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { overlayForTest } from '../../../fixtures/overlay-for-test.ts'

test('a thousand topics without subscribers are sought in turn, at a pace that leaves a neighbour room for other walks', () => {
  const { overlay, link, pass, sentTo } = overlayForTest()
  const { seeksPerSecond, seeksBurst, walksPerSecond } = defaultOverlayLimits
  expect(seeksPerSecond).toBeLessThan(walksPerSecond)
  link('neighbour')
  overlay.receive('neighbour', { type: 'neighbor', priority: 'high' })
  for (let number = 0; number < 1_000; number++) overlay.subscribe(`topic-${number}`)
  const seconds = 220
  pass(seconds * 1_000)
  const sought = sentTo('neighbour', 'seek').map(({ topic }) => topic)
  expect(sought.length).toBeLessThanOrEqual(seeksBurst + seconds * seeksPerSecond + 1)
  expect(new Set(sought).size).toBe(1_000)
})

test('a topic that was never sought goes before all that nobody has', () => {
  const { overlay, link, pass, sentTo } = overlayForTest()
  link('neighbour')
  overlay.receive('neighbour', { type: 'neighbor', priority: 'high' })
  for (let number = 0; number < 1_000; number++) overlay.subscribe(`topic-${number}`)
  // Each was sought, and waits to be sought again.
  pass(300_000)
  const before = sentTo('neighbour', 'seek').length
  overlay.subscribe('new')
  pass(5_000)
  const since = sentTo('neighbour', 'seek').slice(before)
  expect(since.map(({ topic }) => topic)).toContain('new')
})
