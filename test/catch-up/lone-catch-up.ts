import { onTestFinished } from 'vitest'
import { createCatchUp } from '../../src/catch-up/catch-up.ts'
import type { HistoryReader } from '../../src/catch-up/history-reader.ts'
import type { EngineEvent } from '../../src/engine/engine.ts'
import { defaultLimits, type Limits } from '../../src/limits.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

/** A catch-up that has joined a topic, without a network: peers subscribe, and give the pages that a test says. */
export async function loneCatchUp({ limits, readPage }: { limits?: Partial<Limits>; readPage: HistoryReader['readPage'] }) {
  const store = createMemoryStore()
  await store.topics.join('orders', Date.now(), { client: '', explicit: true })
  let listener: ((event: EngineEvent) => void) | undefined
  const catchUp = createCatchUp(
    { limits: { ...defaultLimits, ...limits } },
    {
      engine: {
        topics: async () => ['orders'],
        listen(added) {
          listener = added
          return () => undefined
        },
      },
      store,
      reader: { readPage, fetchMissing: async () => new Set() },
      ingest: {
        order: {
          holdLive: () => ({ [Symbol.dispose]: () => undefined }),
          holdPast: () => ({ [Symbol.dispose]: () => undefined }),
          missed: () => undefined,
        },
      },
      gateways: { others: async () => [] },
      logger: silentLog,
    },
  )
  await catchUp.start()
  onTestFinished(() => catchUp.stop())
  return { subscribe: (peerId: string) => listener?.({ type: 'topic:subscribe', peerId, topic: 'orders' }) }
}
