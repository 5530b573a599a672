import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createDeparted } from '../../../src/engine/libp2p/gossip/departed.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('each peer that returns is told once what it may have missed first: with its link, or since', () => {
  const departed = createDeparted({ keepMs: 1_000 })
  departed.left('lost', 'in flight')
  departed.left('complete', undefined)
  departed.passes(() => 'first')
  departed.left('later', undefined)
  departed.passes(() => 'second')
  departed.left('last', undefined)
  expect(['lost', 'complete', 'later', 'last', 'stranger'].map(departed.returned)).toEqual([
    'in flight',
    'first',
    'second',
    undefined,
    undefined,
  ])
  expect(departed.returned('lost')).toBe(undefined)
})

test('a peer is forgotten after its time, and the oldest of more than a thousand', () => {
  const departed = createDeparted({ keepMs: 1_000 })
  departed.left('old', 'one')
  vi.advanceTimersByTime(1_001)
  expect(departed.returned('old')).toBe(undefined)
  for (let index = 0; index < 1_001; index++) departed.left(String(index), 'one')
  expect([departed.returned('0'), departed.returned('1')]).toEqual([undefined, 'one'])
})
