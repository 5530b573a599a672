import { expect, test } from 'vitest'
import { coldBoot, eclipse, flashCrowd, halfDies, sybilsCome, sybilsGrowAlong } from '../../../fixtures/simulation/faults.ts'

/** Virtual time, of scenes whose figures at a larger size are in docs/faults.md. */

test('half of the nodes die at once, and all that is sent comes to the others', () => {
  const outcome = halfDies(100)
  expect(outcome.delivered).toBe(1)
  expect(outcome.deliveredAfter).toBe(1)
  expect(outcome.recoveryMs).toBeLessThanOrEqual(30_000)
})

test('all nodes start at once, and are one network within seconds', () => {
  const outcome = coldBoot(100)
  expect(outcome.deliveredAfter).toBe(1)
  expect(outcome.recoveryMs).toBeLessThanOrEqual(30_000)
})

test('four times as many nodes as are there come within two seconds', () => {
  const outcome = flashCrowd(30)
  expect(outcome.deliveredAfter).toBe(1)
  expect(outcome.recoveryMs).toBeLessThanOrEqual(30_000)
})

test('four identities of an attacker for each honest node come, and drive none apart', () => {
  const outcome = sybilsCome(12)
  expect(outcome.delivered).toBeGreaterThanOrEqual(0.99)
  expect(outcome.deliveredAfter).toBe(1)
})

test('nodes that have an honest one configured hear each other among four times as many identities from the beginning', () => {
  const outcome = sybilsGrowAlong(12, { isConfigured: true })
  // What is sent while the one link that leads out is made anew may be missed; catching up brings it (test/catch-up).
  expect(outcome.delivered).toBeGreaterThanOrEqual(0.98)
})

test('a node whose neighbours are all hostile is back as soon as it is told one honest address', () => {
  const outcome = eclipse(30)
  expect(outcome.deliveredAfter).toBe(1)
  expect(outcome.recoveryMs).toBeLessThanOrEqual(60_000)
})
