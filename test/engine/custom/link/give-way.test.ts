import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { frameTypes } from '../../../../src/engine/custom/link/frame-types.ts'
import { createGivingWay } from '../../../../src/engine/custom/link/give-way.ts'
import { standStill } from '../../../fixtures/stand-still.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

/** One end of a link that is replaced; the test says what its channel and its requests do. */
function end() {
  const state = { written: [] as number[], closed: 0, isIdle: true, lastHeard: 0, drain: Promise.withResolvers<void>() }
  const givingWay = createGivingWay({
    channel: {
      write: (type) => void state.written.push(type),
      close: () => void state.closed++,
      drained: () => state.drain.promise,
      takeAll: () => undefined,
      get lastHeard() {
        return state.lastHeard
      },
    },
    requests: {
      get isIdle() {
        return state.isIdle
      },
    },
  })
  const movedAt: string[] = []
  void givingWay.moved.then(() => movedAt.push('moved'))
  return { state, givingWay, movedAt }
}

test('a link closes when both ends have moved, no request is left, and all was sent', async () => {
  const { state, givingWay, movedAt } = end()
  state.isIdle = false
  givingWay.begin()
  givingWay.begin()
  expect(state.written).toEqual([frameTypes.moved])
  await nextTurn()
  expect(movedAt).toEqual([])
  expect([givingWay.onMoved(), givingWay.onMoved()]).toEqual([true, false])
  await nextTurn()
  expect([movedAt, state.closed]).toEqual([['moved'], 0])
  state.isIdle = true
  givingWay.onIdle()
  await nextTurn()
  expect(state.closed).toBe(0)
  state.drain.resolve()
  await nextTurn()
  expect(state.closed).toBe(1)
})

test('a link does not close before its peer has moved, nor while a request is in progress', async () => {
  const { state, givingWay } = end()
  state.drain.resolve()
  givingWay.begin()
  await nextTurn()
  expect(state.closed).toBe(0)
  state.isIdle = false
  givingWay.onMoved()
  await nextTurn()
  expect(state.closed).toBe(0)
  state.isIdle = true
  givingWay.onIdle()
  await nextTurn()
  expect(state.closed).toBe(1)
})

test('a link whose peer moves first stays until this end moves', async () => {
  const { state, givingWay } = end()
  state.drain.resolve()
  givingWay.onMoved()
  givingWay.onIdle()
  await nextTurn()
  expect(state.closed).toBe(0)
  givingWay.begin()
  await nextTurn()
  expect(state.closed).toBe(1)
})

test('a link whose peer does not move closes after two silent seconds', () => {
  const { state, givingWay } = end()
  vi.advanceTimersByTime(60_000)
  givingWay.begin()
  vi.advanceTimersByTime(2_000)
  expect(state.closed).toBe(0)
  vi.advanceTimersByTime(500)
  expect(state.closed).toBe(1)
})

test('a link stays when the process stands still for longer: what its peer has sent is not read yet', async () => {
  vi.useRealTimers()
  const { state, givingWay } = end()
  givingWay.begin()
  standStill(2_100)
  await nextTurn()
  expect(state.closed).toBe(0)
  givingWay.stop()
})

test('a link whose peer does not move, but is heard, closes after ten seconds', () => {
  const { state, givingWay } = end()
  givingWay.begin()
  for (let second = 0; second < 10; second++) {
    vi.advanceTimersByTime(1_000)
    state.lastHeard = performance.now()
  }
  expect(state.closed).toBe(0)
  vi.advanceTimersByTime(500)
  expect(state.closed).toBe(1)
})

test('a link that closes by itself lets the other one be read', async () => {
  const { state, givingWay, movedAt } = end()
  givingWay.begin()
  givingWay.stop()
  await nextTurn()
  expect(movedAt).toEqual(['moved'])
  vi.advanceTimersByTime(60_000)
  expect(state.closed).toBe(0)
})
