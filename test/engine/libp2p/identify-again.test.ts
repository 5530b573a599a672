import type { Connection } from '@libp2p/interface'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createIdentifyAgain } from '../../../src/engine/libp2p/identify-again.ts'
import { silentLog } from '../../fixtures/log.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Looks at one connection; the peer answers from the given attempt on. */
function watched({ answersFrom = Number.POSITIVE_INFINITY, isIdentified = false } = {}) {
  const state = { isIdentified, asked: 0, connections: [] as Connection[] }
  const again = createIdentifyAgain({
    connections: () => state.connections,
    isIdentified: () => state.isIdentified,
    identify: async () => {
      state.isIdentified = ++state.asked >= answersFrom
      if (!state.isIdentified) throw new Error('no answer')
    },
    logger: silentLog,
  })
  state.connections.push({ remotePeer: 'peer', status: 'open', timeline: { open: Date.now() } } as unknown as Connection)
  again.start()
  return { state, again }
}

test('a peer that has not said who it is is asked once more, until it answers', async () => {
  const { state } = watched({ answersFrom: 2 })
  await vi.advanceTimersByTimeAsync(5_000)
  expect(state.asked).toBe(0)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(state.asked).toBe(2)
})

test('who never answers is asked five times, and who has answered not at all', async () => {
  const { state } = watched()
  const known = watched({ isIdentified: true })
  await vi.advanceTimersByTimeAsync(600_000)
  expect([state.asked, known.state.asked]).toEqual([5, 0])
})

test('a peer that has answered on another connection is asked on one where it has not', async () => {
  const [known, further] = [1, 2].map(
    () => ({ remotePeer: 'peer', status: 'open', timeline: { open: Date.now() } }) as unknown as Connection,
  )
  const asked: unknown[] = []
  const again = createIdentifyAgain({
    connections: () => [known, further].flatMap((each) => each ?? []),
    isIdentified: (connection) => connection === known || asked.includes(connection),
    identify: async (connection) => asked.push(connection),
    logger: silentLog,
  })
  again.start()
  await vi.advanceTimersByTimeAsync(60_000)
  again.stop()
  expect(asked).toEqual([further])
})

test('nobody is asked after a stop', async () => {
  const { state, again } = watched()
  again.stop()
  await vi.advanceTimersByTimeAsync(600_000)
  expect(state.asked).toBe(0)
})
