import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createCatchUp } from '../../src/catch-up/catch-up.ts'
import { FalseHistory } from '../../src/catch-up/history-reader.ts'
import type { EngineEvent } from '../../src/engine/engine.ts'
import { defaultLimits } from '../../src/limits.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

/** Milliseconds for which a peer that has lied is not asked. */
const distrustMs = 3_600_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A catch-up whose peer lies each time it is asked: how often that was. */
async function deceived(init: { whileAsked?: (subscribe: () => void) => void } = {}) {
  const store = createMemoryStore()
  await store.topics.join('orders', Date.now(), { client: '', explicit: true })
  let asked = 0
  let listener: ((event: EngineEvent) => void) | undefined
  const subscribe = () => listener?.({ type: 'topic:subscribe', peerId: 'liar', topic: 'orders' })
  const catchUp = createCatchUp(
    { limits: defaultLimits },
    {
      engine: {
        topics: async () => ['orders'],
        listen(added) {
          listener = added
          return () => undefined
        },
      },
      store,
      reader: {
        async readPage() {
          asked++
          init.whileAsked?.(subscribe)
          throw new FalseHistory('nobody signed it')
        },
        fetchMissing: async () => new Set(),
      },
      ingest: { order: { holdLive: () => ({ [Symbol.dispose]: () => undefined }), missed: () => undefined } },
      gateways: { others: async () => [] },
      logger: silentLog,
    },
  )
  await catchUp.start()
  onTestFinished(() => catchUp.stop())
  return { subscribe, asked: () => asked }
}

test('a peer that has lied is not asked when it comes back, for an hour', async () => {
  const { subscribe, asked } = await deceived()
  subscribe()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(asked()).toBe(1)
  subscribe()
  await vi.advanceTimersByTimeAsync(distrustMs - 2_000)
  subscribe()
  expect(asked()).toBe(1)
  await vi.advanceTimersByTimeAsync(2_000)
  subscribe()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(asked()).toBe(2)
})

test('a peer that subscribes while it lies is not asked again for that', async () => {
  const { subscribe, asked } = await deceived({ whileAsked: (again) => again() })
  subscribe()
  await vi.advanceTimersByTimeAsync(distrustMs / 2)
  expect(asked()).toBe(1)
})
