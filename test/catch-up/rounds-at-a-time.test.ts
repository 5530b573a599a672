import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { loneCatchUp } from './lone-catch-up.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('maxHistoryRounds: no more peers are asked at once, though more are due when two have answered', async () => {
  const asked: string[] = []
  const answers: Array<() => void> = []
  const { subscribe } = await loneCatchUp({
    limits: { maxHistoryRounds: 2 },
    async readPage({ peerId }) {
      asked.push(peerId)
      await new Promise<void>((resolve) => answers.push(resolve))
      return { next: 'x.1', caughtUp: true }
    },
  })
  for (const peerId of ['a', 'b', 'c', 'd', 'e']) subscribe(peerId)
  for (const soFar of ['ab', 'abcd', 'abcde']) {
    // All are due by now.
    await vi.advanceTimersByTimeAsync(10_000)
    expect(asked.join('')).toBe(soFar)
    for (const answer of answers.splice(0)) answer()
  }
})
