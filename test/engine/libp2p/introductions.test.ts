import type { Connection } from '@libp2p/interface'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createIntroductions } from '../../../src/engine/libp2p/introductions.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** What of a connection is looked at. */
function connection() {
  const status: Connection['status'] = 'open'
  return Object.assign(new EventTarget(), { status, timeline: { open: Date.now() } }) as EventTarget & Connection
}

/** A wait, and whether it is over. */
function waiting() {
  const introductions = createIntroductions()
  const [one, gone] = [connection(), new AbortController()]
  let isOver = false
  const wait = introductions.wait(one, gone.signal).then(() => {
    isOver = true
  })
  return { introductions, one, gone, wait, isOver: () => isOver }
}

test.each<[string, (wait: ReturnType<typeof waiting>) => void]>([
  ['the peer has said who it is', ({ introductions, one }) => introductions.made(one)],
  ['the peer has closed the connection', ({ one }) => one.dispatchEvent(new Event('close'))],
  ['the signal fires', ({ gone }) => gone.abort()],
  ['the peer is late', () => vi.advanceTimersByTime(5_000)],
])('a wait is over when %s, and not before', async (_, happens) => {
  const one = waiting()
  await vi.advanceTimersByTimeAsync(999)
  expect(one.isOver()).toBe(false)
  happens(one)
  await one.wait
})

test('nobody waits for a peer that has said it on this connection, or had its time', async () => {
  const introductions = createIntroductions()
  const { signal } = new AbortController()
  const [said, old] = [connection(), connection()]
  introductions.made(said)
  await introductions.wait(said, signal)
  vi.advanceTimersByTime(5_000)
  await introductions.wait(old, signal)
})

test('what a peer has said on one connection says nothing of another', async () => {
  const { introductions, isOver, wait, one } = waiting()
  introductions.made(connection())
  await vi.advanceTimersByTimeAsync(1)
  expect(isOver()).toBe(false)
  introductions.made(one)
  await wait
})
