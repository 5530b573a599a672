import { join } from 'node:path'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Limits } from '../../src/limits.ts'
import { parseCursor } from '../../src/model/cursor.ts'
import { matchesTopic, type TopicFilter, topicFilter } from '../../src/model/topic.ts'
import { createStore } from '../../src/store/create-store.ts'
import type { LogStore } from '../../src/store/log-store.ts'
import type { Store } from '../../src/store/store.ts'
import { closeCodes } from '../../src/stream/close-codes.ts'
import { enginePair } from '../fixtures/engine-pair.ts'
import { type GatewayPair, memoryPair } from '../fixtures/gateway-pair.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createRandom, type Random } from '../fixtures/random.ts'
import { createRest, type Rest } from '../fixtures/rest.ts'
import { openStream, type StreamClient } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const topics = ['a', 'ab', 'b', 'c']
const choices = [['a'], ['a', 'c'], ['a*'], ['*'], ['ab', 'b'], ['b*', 'c']]

/** Small enough that subscribers fall out of the ring and fill their sockets; beats often enough that quiet ones hear of progress. */
const limits = { maxRingMessages: 150, maxSocketBufferBytes: 8_192, maxReadMessages: 40, heartbeatMs: 50 }

/** What a subscription has handled, kept by the test beside what the gateway thinks. */
interface Ledger {
  name: string | undefined
  patterns: string[]
  /** The last position handled, where to resume. */
  cursor: string
  /** Whether the gateway has answered its subscription on this connection. */
  subscribed: boolean
  /** Each begins where the client began, or began anew since its cursor had expired. */
  readings: [Reading, ...Reading[]]
}

interface Reading {
  start: string | undefined
  received: number[]
  /** What it was told to be gone. */
  gaps: Array<{ topic: string; from: number; to: number }>
  /** The position after which its cursor had expired. */
  expired: number | undefined
}

const newReading = (): Reading => ({ start: undefined, received: [], gaps: [], expired: undefined })
const currentReading = ({ readings }: Ledger): Reading => readings.at(-1) ?? readings[0]

/** What the log had, kept by the test: everything that was ever appended, and each step of pruning. */
interface Annals {
  appended: Array<{ topic: string; seq: number }>
  prunes: Array<{ topic: string; through: number; pruneCount: number }>
}

/** How far publishing is; the subscribers time their misdeeds by it. */
interface Progress {
  published: number
  done: boolean
  waiters: Set<() => void>
}

const seqOf = (cursor: string) => parseCursor(cursor).seq

function reached(progress: Progress, count: number): Promise<void> {
  return new Promise((resolve) => {
    function check(): void {
      if (progress.published < count && !progress.done) return
      progress.waiters.delete(check)
      resolve()
    }
    progress.waiters.add(check)
    check()
  })
}

async function publish(rests: Rest[], count: number, random: Random, progress: Progress): Promise<void> {
  await Promise.all(
    rests.map(async (rest) => {
      while (progress.published < count) {
        progress.published++
        await rest.publish(random.pick(topics), 'x'.repeat(random.below(400)))
        for (const check of [...progress.waiters]) check()
      }
    }),
  )
  progress.done = true
  for (const check of [...progress.waiters]) check()
}

/** Notes what each frame says to which ledger. */
function record(client: StreamClient, ledgers: Ledger[]): void {
  let handled = 0
  client.socket.on('message', () => {
    for (; handled < client.frames.length; handled++) {
      const frame = client.frames[handled]
      if (frame === undefined || !['message', 'gap', 'error', 'subscribed', 'caught-up', 'progress'].includes(frame.type)) continue
      const ledger = ledgers.find(({ name }) => name === ('subscription' in frame ? frame.subscription : undefined))
      if (ledger === undefined) continue
      const reading = currentReading(ledger)
      if (frame.type === 'message') {
        reading.received.push(seqOf(frame.message.cursor))
        ledger.cursor = frame.message.cursor
      } else if (frame.type === 'subscribed') {
        ledger.subscribed = true
        if (reading.start === undefined) reading.start = ledger.cursor = frame.cursor
      } else if (frame.type === 'gap') {
        reading.gaps.push({ topic: frame.topic ?? '', from: seqOf(frame.from), to: seqOf(frame.to) })
        ledger.cursor = frame.to
      } else if (frame.type === 'error' && frame.code === 'cursor_expired') {
        reading.expired = seqOf(ledger.cursor)
        ledger.readings.push(newReading())
        ledger.cursor = 'earliest'
        subscribe(client, ledger, { after: 'earliest' })
      } else if (frame.type === 'caught-up' || frame.type === 'progress') {
        ledger.cursor = frame.cursor
      }
    }
  })
}

async function open(url: string, ledgers: Ledger[]): Promise<StreamClient> {
  const client = await openStream(url)
  record(client, ledgers)
  for (const ledger of ledgers) {
    ledger.subscribed = false
    subscribe(client, ledger, { after: ledger.cursor })
  }
  return client
}

function subscribe(client: StreamClient, ledger: Ledger, position: { after?: string }): void {
  const name = ledger.name === undefined ? {} : { subscription: ledger.name }
  client.send({ type: 'subscribe', ...name, topics: ledger.patterns, ...position })
}

/** A client that is cut off, stops reading and subscribes anew, at random, as long as messages are published; then reads to the end. */
async function misbehave(url: string, ledgers: Ledger[], random: Random, progress: Progress, tip: () => Promise<number>): Promise<void> {
  while (!progress.done) {
    const client = await open(url, ledgers)
    for (let turns = random.below(4); turns >= 0 && !progress.done; turns--) {
      const later = progress.published + 1 + random.below(120)
      if (random.chance(0.4)) {
        client.socket.pause()
        await reached(progress, later)
        client.socket.resume()
      } else if (random.chance(0.3)) {
        const ledger = random.pick(ledgers)
        if (ledger.subscribed) subscribe(client, ledger, {})
      }
      await reached(progress, later)
    }
    client.socket.terminate()
    await client.closed
  }
  const end = await tip()
  const isDone = () => ledgers.every((ledger) => currentReading(ledger).start !== undefined && seqOf(ledger.cursor) >= end)
  while (!isDone()) {
    await using client = await open(url, ledgers)
    // With heartbeats this short, a busy machine is taken for one that is gone; like any client, this one then comes back.
    const code = await Promise.race([
      client.closed,
      client.until(isDone).then(
        () => undefined,
        () => client.closed,
      ),
    ])
    if (code !== undefined) expect(code).toBe(closeCodes.noPong.code)
  }
}

/** Without annals, what was appended is what the history says in the end. */
async function run(pair: GatewayPair, seed: number, count: number, annals?: Annals): Promise<Ledger[]> {
  const random = createRandom(seed)
  const progress: Progress = { published: 0, done: false, waiters: new Set() }
  const rest = createRest(pair.subject.url)
  const clients = Array.from({ length: 8 }, () =>
    Array.from(
      { length: 1 + random.below(3) },
      (_, index): Ledger => ({
        name: index === 0 ? undefined : `subscription ${index}`,
        patterns: random.pick(choices),
        cursor: random.chance(0.7) ? 'earliest' : 'latest',
        subscribed: false,
        readings: [newReading()],
      }),
    ),
  )
  // The other gateway's messages are still on their way; the log is complete when it holds all that both published.
  async function untilComplete(): Promise<number> {
    const log = async () => annals?.appended.map(({ seq }) => seq) ?? (await rest.history('topic=*')).map(({ cursor }) => seqOf(cursor))
    let seqs: number[] = []
    async function countLog(): Promise<number> {
      seqs = await log()
      return seqs.length
    }
    await expect.poll(countLog, { interval: 100 }).toBe(progress.published)
    return seqs.at(-1) ?? 0
  }
  let last: Promise<number> | undefined
  /** One for all that ask: the whole log is read for it. */
  function tip(): Promise<number> {
    last ??= untilComplete()
    return last
  }
  const subscribers = clients.map((ledgers, index) => misbehave(pair.subject.url, ledgers, createRandom(seed * 100 + index), progress, tip))
  await publish([rest, rest, createRest(pair.other.url)], count, random, progress)
  await Promise.all(subscribers)

  const history = async () => (await rest.history('topic=*')).map(({ topic = '', cursor }) => ({ topic, seq: seqOf(cursor) }))
  const { appended, prunes } = annals ?? { appended: await history(), prunes: [] }
  expect(appended.length).toBe(progress.published)
  for (const { patterns, readings } of clients.flat()) {
    for (const reading of readings) check(topicFilter(patterns), reading, { appended, prunes })
  }
  return clients.flat()
}

/** What a reading received is the log, but for what it was told to be gone; and it was told of nothing else. */
function check(filter: TopicFilter, { start = '', received, gaps, expired }: Reading, { appended, prunes }: Annals): void {
  if (start === '') {
    expect([received, gaps]).toEqual([[], []])
    return
  }
  const { seq: first, pruneCount: known = 0 } = parseCursor(start)
  const goneBefore = (topic: string) => prunes.findLast((prune) => prune.topic === topic && prune.pruneCount <= known)?.through ?? 0
  const expected = appended
    .filter(({ topic, seq }) => matchesTopic(filter, topic) && seq > first && seq <= (expired ?? Number.POSITIVE_INFINITY))
    .filter(({ topic, seq }) => known === 0 || seq > goneBefore(topic))
  const missing = expected.filter(({ seq }) => !received.includes(seq))
  expect(received).toEqual(expected.filter((message) => !missing.includes(message)).map(({ seq }) => seq))
  const covers = (gap: { topic: string; from: number; to: number }, message: { topic: string; seq: number }) =>
    gap.topic === message.topic && gap.from < message.seq && message.seq <= gap.to
  // What was on its way to be announced when the client left is what its cursor had expired for.
  const expiredFor = ({ topic }: { topic: string }) =>
    expired !== undefined && prunes.some((prune) => prune.topic === topic && prune.through > expired)
  expect(missing.filter((message) => !gaps.some((gap) => covers(gap, message)) && !expiredFor(message))).toEqual([])
  expect(gaps.filter((gap) => !missing.some((message) => covers(gap, message)))).toEqual([])
  if (expired !== undefined) expect(prunes.some(({ topic, through }) => matchesTopic(filter, topic) && through > expired)).toBe(true)
}

describe.each([
  ['memory', memoryPair, 12, 1_500],
  ['custom', (limits: Partial<Limits>) => enginePair('custom', limits), 4, 1_500],
  ['libp2p', (limits: Partial<Limits>) => enginePair('libp2p', limits), 4, 1_500],
] as const)('on the %s engine', (_, createPair, seeds, count) => {
  test.each(Array.from({ length: seeds }, (_, index) => index + 1))(
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
  ['memory', async () => createMemoryStore(), 8],
  ['SQLite', sqliteStore, 4],
] as const)('with retention, on the %s store', (_, createStore, seeds) => {
  let gaps = 0
  let expiries = 0

  test.each(Array.from({ length: seeds }, (_, index) => index + 1))(
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
  return createStore({ url: `file:${directory}/log.db`, servedMarkFile: join(directory, 'served'), migrate: true }, { logger: silentLog })
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
