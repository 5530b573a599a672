import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { bestOf, betterMs, type FindRouter } from '../../../src/engine/port-mapping/find-router.ts'
import type { Router } from '../../../src/engine/port-mapping/router.ts'

const ip = '192.168.1.2'
const never = new AbortController().signal
const routerOf = (protocol: Router['protocol'], served = ip): Router => ({
  protocol,
  serves: (each) => each === served,
  map: async (_port, wanted) => ({ port: wanted }),
  unmap: async () => undefined,
})

/** A way of searching that answers after some milliseconds, or never, and notes that it was given up. */
function way(router: Router | undefined, ms = Number.POSITIVE_INFINITY) {
  const state = { isAsked: false, isGivenUp: false }
  const find: FindRouter = (_localIps, signal) =>
    new Promise((resolve, reject) => {
      state.isAsked = true
      if (ms < Number.POSITIVE_INFINITY) setTimeout(() => resolve(router), ms)
      signal.addEventListener('abort', () => {
        state.isGivenUp = true
        reject(signal.reason)
      })
    })
  return { find, state }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('asks in all ways at once, and waits for no worse one', async () => {
  const ways = [way(routerOf('PCP'), 0), way(undefined), way(undefined)]
  const found = bestOf(ways.map(({ find }) => find))([ip], never)
  expect(ways.map(({ state }) => state.isAsked)).toEqual([true, true, true])
  await vi.advanceTimersByTimeAsync(0)
  expect((await found)?.protocol).toBe('PCP')
  expect(ways.slice(1).map(({ state }) => state.isGivenUp)).toEqual([true, true])
  expect(vi.getTimerCount()).toBe(0)
})

test('a better way has a short time after another has found a router', async () => {
  const better = [way(routerOf('PCP'), betterMs), way(routerOf('UPnP'), 1)]
  const found = bestOf(better.map(({ find }) => find))([ip], never)
  await vi.advanceTimersByTimeAsync(betterMs)
  expect((await found)?.protocol).toBe('PCP')
  const late = [way(routerOf('PCP'), betterMs + 2), way(routerOf('UPnP'), 1)]
  const other = bestOf(late.map(({ find }) => find))([ip], never)
  await vi.advanceTimersByTimeAsync(betterMs + 1)
  expect((await other)?.protocol).toBe('UPnP')
})

test('the time passes for nothing only while a better way may still find a router', async () => {
  const ways = [way(undefined, 10), way(routerOf('NAT-PMP'), 5)]
  const found = bestOf(ways.map(({ find }) => find))([ip], never)
  await vi.advanceTimersByTimeAsync(10)
  expect((await found)?.protocol).toBe('NAT-PMP')
})

test('a way that finds nothing leaves the others their time', async () => {
  const ways = [way(undefined, 1), way(routerOf('NAT-PMP'), 10), way(routerOf('UPnP'), 0)]
  const found = bestOf(ways.map(({ find }) => find))([ip], never)
  await vi.advanceTimersByTimeAsync(10)
  expect((await found)?.protocol).toBe('NAT-PMP')
})

test('a router that serves none of the addresses does not count', async () => {
  const ways = [way(routerOf('PCP', '10.0.0.2'), 0), way(routerOf('UPnP'), 3_000)]
  const found = bestOf(ways.map(({ find }) => find))([ip], never)
  await vi.advanceTimersByTimeAsync(3_000)
  expect((await found)?.protocol).toBe('UPnP')
})

test('finds nothing when no way does, and ends with the signal', async () => {
  const nothing = bestOf([way(undefined, 0).find, async () => await Promise.reject(new Error('no network'))])([ip], never)
  await vi.advanceTimersByTimeAsync(0)
  expect(await nothing).toBeUndefined()
  const stopping = new AbortController()
  const given = bestOf([way(undefined).find])([ip], stopping.signal)
  stopping.abort(new Error('stopped'))
  await expect(given).rejects.toThrow('stopped')
  expect(vi.getTimerCount()).toBe(0)
})

test('a search of which nothing is heard ends after 15 s', async () => {
  const ways = [way(undefined), way(undefined)]
  const found = bestOf(ways.map(({ find }) => find))([ip], never)
  await vi.advanceTimersByTimeAsync(14_999)
  expect(ways.map(({ state }) => state.isGivenUp)).toEqual([false, false])
  await vi.advanceTimersByTimeAsync(1)
  expect(await found).toBeUndefined()
})

test('of two routers that answer in time the one of the better protocol is taken', async () => {
  const ways = [way(undefined), way(routerOf('NAT-PMP'), 2), way(routerOf('UPnP'), 1)]
  const found = bestOf(ways.map(({ find }) => find))([ip], never)
  await vi.advanceTimersByTimeAsync(betterMs + 1)
  expect((await found)?.protocol).toBe('NAT-PMP')
})
