import { describe, expect, test } from 'vitest'
import { createBackOff } from '../../../src/engine/dial/back-off.ts'
import { silentLog } from '../../fixtures/log.ts'

/** A back-off on a clock of its own, which draws the longest pauses. */
function backOff() {
  let now = 0
  const subject = createBackOff({ logger: silentLog, now: () => now, random: () => 1 })
  return {
    subject,
    pass(ms: number) {
      now += ms
    },
    waitMs: () => subject.waitMs('peer'),
  }
}

describe('a peer that refuses links', () => {
  test('is left alone for twice as long each time, five minutes at most', () => {
    const { subject, pass, waitMs } = backOff()
    expect(waitMs()).toBe(0)
    const waits: number[] = []
    for (let refusal = 0; refusal < 12; refusal++) {
      subject.refused('peer')
      waits.push(waitMs())
      pass(waitMs())
      expect(waitMs()).toBe(0)
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000, 300_000])
  })

  test('says how long to wait, ten minutes at most, and never makes the pause shorter', () => {
    const { subject, waitMs } = backOff()
    subject.refused('peer', { reason: 'full', retryAfterMs: 30_000 })
    expect(waitMs()).toBe(30_000)
    subject.refused('peer', { reason: 'full', retryAfterMs: Number.MAX_SAFE_INTEGER })
    expect(waitMs()).toBe(600_000)
    for (let refusal = 0; refusal < 10; refusal++) subject.refused('peer', { reason: 'full', retryAfterMs: 0 })
    expect(waitMs()).toBe(300_000)
  })

  test('is left alone for longer although it lets a link be for a moment each time, until one has lived for a while', () => {
    const { subject, pass, waitMs } = backOff()
    for (let link = 0; link < 4; link++) {
      pass(waitMs())
      subject.ended('peer', 9_999)
    }
    expect(waitMs()).toBe(4_000)
    subject.ended('peer', 10_000)
    expect(waitMs()).toBe(0)
    subject.ended('peer', 1)
    expect(waitMs()).toBe(500)
  })

  test('does not have others left alone, and of peers that refused long ago two thousand are remembered', () => {
    const { subject } = backOff()
    for (let peer = 0; peer < 2_100; peer++) subject.refused(`peer ${peer}`)
    expect(subject.waitMs('somebody')).toBe(0)
    const waiting = Array.from({ length: 2_100 }, (_, peer) => subject.waitMs(`peer ${peer}`)).filter((ms) => ms > 0)
    expect(waiting).toHaveLength(2_000)
    expect(subject.waitMs('peer 2099')).toBe(500)
  })
})
