import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createConsumerJoins } from '../../src/consumers/consumer-joins.ts'
import { consumerDefaults } from '../../src/model/consumer.ts'
import type { ConsumerRecord } from '../../src/store/consumer-store.ts'
import { silentLog } from '../fixtures/log.ts'

const sweepMs = 60_000

function consumer(name: string, topics: string[], fields: Partial<ConsumerRecord> = {}): ConsumerRecord {
  return {
    ...{ name, client: 'tok_1', createdAt: 1, position: 10, prunedSince: 0, gaps: 0, lastGap: null },
    settings: { topics, direct: false, order: 'none', ...consumerDefaults },
    ...fields,
  }
}

/** Joins of consumers that are stored, at one gateway, where there is no room for the topics named `full`. */
function joinsOf(...stored: ConsumerRecord[]) {
  const joined: string[] = []
  const lost: Array<[name: string, through: number]> = []
  let finished = 0
  const joins = createConsumerJoins({
    store: {
      list: async () => stored,
      loseThrough: async (name, through) => void lost.push([name, through]),
      async finishRemovals() {
        finished++
      },
    },
    log: { position: async () => ({ epoch: 'e', earliest: 7, tip: 20, pruneCount: 0, prunedThrough: 7, messages: 13 }) },
    topics: {
      async use(topic) {
        if (topic === 'full') throw new Error('no room')
        joined.push(topic)
        return { [Symbol.dispose]: () => void joined.splice(joined.indexOf(topic), 1) }
      },
    },
    ...{ logger: silentLog, now: () => Date.now(), onNames: () => undefined },
  })
  onTestFinished(() => joins.stop())
  return { joins, joined, lost, stored, finished: () => finished }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('the topics of all consumers are joined at a start, and of what others create and remove a while later', async () => {
  const { joins, joined, stored } = joinsOf(consumer('a', ['one', 'two']), consumer('b', ['full']), consumer('c', ['three']))
  await joins.start()
  expect(joined.toSorted()).toEqual(['one', 'three', 'two'])
  // One was removed, and one was made again with other topics.
  stored.splice(0, 3, consumer('c', ['four'], { createdAt: 2 }))
  await vi.advanceTimersByTimeAsync(sweepMs)
  expect(joined).toEqual(['four'])
  joins.stop()
  expect(joined).toEqual([])
})

test('removals that a crash has interrupted are finished at a start, and those of other gateways a while later', async () => {
  const { joins, finished } = joinsOf()
  await joins.start()
  expect(finished()).toBe(1)
  await vi.advanceTimersByTimeAsync(sweepMs)
  expect(finished()).toBe(2)
})

test('a consumer that is being made keeps its topics though it is not stored yet', async () => {
  const { joins, joined } = joinsOf()
  await joins.start()
  await vi.advanceTimersByTimeAsync(sweepMs - 1)
  await joins.join(consumer('a', ['one'], { createdAt: Date.now() + 1 }))
  await vi.advanceTimersByTimeAsync(1)
  expect(joined).toEqual(['one'])
})

test('nothing stays joined for a consumer whose topics have no room', async () => {
  const { joins, joined } = joinsOf()
  await expect(joins.join(consumer('a', ['one', 'full']))).rejects.toThrow('no room')
  expect(joined).toEqual([])
})

test('what the log no longer has is lost, but nothing that is still to be taken in', async () => {
  const { joins, lost } = joinsOf(consumer('a', ['one']), consumer('b', ['one'], { position: 5 }))
  await joins.start()
  expect(lost).toEqual([
    ['a', 7],
    ['b', 5],
  ])
})
