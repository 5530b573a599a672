import { expect, onTestFinished, test } from 'vitest'
import { createCatchUp } from '../../src/catch-up/catch-up.ts'
import { historyProtocol } from '../../src/catch-up/history-protocol.ts'
import type { EngineEvent } from '../../src/engine/engine.ts'
import { createWatchers } from '../../src/lib/watchers.ts'
import { defaultLimits } from '../../src/limits.ts'
import { silentLog } from '../fixtures/log.ts'

/** The catch-up of a bridge, its topics, the pages that it waits for, and how many times live messages are held. */
async function bridge() {
  const topics: string[] = []
  const pages: Array<{ peerId: string; topics: string[]; come(): void }> = []
  const state = { rounds: 0, held: 0 }
  const events = createWatchers<[event: EngineEvent]>()
  const catchUp = createCatchUp(
    { limits: defaultLimits },
    {
      engine: {
        listen: events.watch,
        topics: async () => [],
        bridge: { mayCarry: () => true, carries: () => true, subscribes: () => true, topics: () => topics },
      },
      store: {
        topics: { list: async () => [] },
        records: { get: async () => undefined, list: async () => [], write: async () => undefined },
        log: { missing: async () => [] },
      },
      reader: {
        fetchMissing: async () => new Set(),
        readPage: ({ peerId, topics: asked }, { signal }) =>
          new Promise((resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason))
            pages.push({ peerId, topics: [...asked.keys()], come: () => resolve({ next: 'x.1', caughtUp: true }) })
          }),
      },
      ingest: {
        order: {
          holdLive() {
            state.held++
            return { [Symbol.dispose]: () => void state.held-- }
          },
          holdPast: () => ({ [Symbol.dispose]: () => undefined }),
          missed: () => undefined,
        },
      },
      gateways: {
        async others() {
          state.rounds++
          return []
        },
      },
      logger: silentLog,
    },
  )
  await catchUp.start()
  onTestFinished(() => catchUp.stop())
  const peer = { peerId: 'one', networks: ['custom' as const], protocols: [historyProtocol] }
  return {
    state,
    pages,
    link: () => events.tell({ type: 'peer:connect', peer: Object.assign(Object.create(null), peer) }),
    tellOf(topic: string) {
      topics.push(topic)
      events.tell({ type: 'topic:bridged', topic })
    },
  }
}

test('a bridge holds live messages until a peer was asked for the topics that its peers have told it of', async () => {
  const { state, pages, link, tellOf } = await bridge()
  link()
  await expect.poll(() => state.rounds).toBe(1)
  await new Promise(setImmediate)
  expect(state.held).toBe(1)
  tellOf('orders')
  await expect.poll(() => pages.length).toBe(1)
  tellOf('news')
  pages[0]?.come()
  await expect.poll(() => pages.length).toBe(2)
  expect(state.held).toBe(1)
  pages[1]?.come()
  await expect.poll(() => state.held).toBe(0)
  expect(pages.map(({ topics }) => topics)).toEqual([['orders'], ['orders', 'news']])
})
