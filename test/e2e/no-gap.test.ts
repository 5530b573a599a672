import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Limits } from '../../src/limits.ts'
import { createStore } from '../../src/store/create-store.ts'
import type { LogStore } from '../../src/store/log-store.ts'
import type { Store } from '../../src/store/store.ts'
import { enginePair } from '../fixtures/engine-pair.ts'
import { memoryPair } from '../fixtures/gateway-pair.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { type Annals, limits, run } from '../fixtures/misbehaving-subscribers.ts'
import { createRandom, type Random } from '../fixtures/random.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { byLength } from '../fixtures/test-length.ts'

/** How many times as many seeds as the gate has. */
const times = byLength({ gate: 1, full: 20 })
const upTo = (seeds: number) => Array.from({ length: seeds * times }, (_, index) => index + 1)

describe.each([
  ['memory', memoryPair, 2, 1_000],
  ['custom', (limits: Partial<Limits>) => enginePair('custom', limits), 1, 1_000],
  ['libp2p', (limits: Partial<Limits>) => enginePair('libp2p', limits), 1, 1_000],
] as const)('on the %s engine', (_, createPair, seeds, count) => {
  test.each(upTo(seeds))(
    'what each subscriber received equals the log, in order (seed %i)',
    async (seed) => {
      const pair = await createPair(limits)
      onTestFinished(() => pair.stop())
      await run(pair, seed, count)
    },
    120_000,
  )
})

/** Topics keep less than the subscribers need, and are pruned all the time. */
describe.each([
  ['memory', async () => createMemoryStore(), 2],
  ['SQLite', sqliteStore, 1],
] as const)('with retention, on the %s store', (_, createStore, seeds) => {
  let gaps = 0
  let expiries = 0

  test.each(upTo(seeds))(
    'what each subscriber did not receive it was told to be gone, and nothing else (seed %i)',
    async (seed) => {
      const annals: Annals = { appended: [], prunes: [] }
      const keeping = { retentionMaxMessages: 40, retentionSweepMs: 15, maxPruneMessages: 7 }
      const pair = await memoryPair({ ...limits, ...keeping }, slowed(recorded(await createStore(), annals), createRandom(seed)))
      onTestFinished(() => pair.stop())
      for (const { readings } of await run(pair, seed, 1_500, annals)) {
        gaps += readings.flatMap((reading) => reading.gaps).length
        expiries += readings.length - 1
      }
    },
    120_000,
  )

  afterAll(() => {
    expect(gaps).toBeGreaterThan(0)
    expect(expiries).toBeGreaterThan(0)
  })
})

async function sqliteStore(): Promise<Store> {
  const directory = await temporaryDirectory()
  return await createStore(
    { url: `file:${directory}/log.db`, servedMarkFile: join(directory, 'served'), migrate: true },
    { logger: silentLog },
  )
}

/** Reads as if from far away, so that pruning overtakes those who read. */
function slowed(store: Store, random: Random): Store {
  const pause = () => new Promise((resolve) => setTimeout(resolve, random.below(25)))
  const log: LogStore = {
    ...store.log,
    async read(query) {
      await pause()
      const step = await store.log.read({ ...query, limit: Math.min(query.limit, 8) })
      await pause()
      return step
    },
  }
  return { ...store, log }
}

/** Notes everything that is ever appended, and every step of pruning. */
function recorded(store: Store, { appended, prunes }: Annals): Store {
  const log: LogStore = {
    ...store.log,
    async append(messages, keyed) {
      const result = await store.log.append(messages, keyed)
      appended.push(...result.entries.flatMap((entry) => (entry.known ? [] : { topic: entry.message.topic, seq: entry.message.seq })))
      return result
    },
    async prune(query) {
      const pruned = await store.log.prune(query)
      if (pruned !== undefined) prunes.push({ topic: query.topic, through: pruned.through, pruneCount: pruned.pruneCount })
      return pruned
    },
  }
  return { ...store, log }
}
