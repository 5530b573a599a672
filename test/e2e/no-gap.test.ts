import { describe, expect, onTestFinished, test } from 'vitest'
import { parseCursor } from '../../src/model/cursor.ts'
import { matchesTopic, topicFilter } from '../../src/model/topic.ts'
import { type GatewayPair, memoryPair } from '../fixtures/gateway-pair.ts'
import { libp2pPair } from '../fixtures/libp2p-pair.ts'
import { createRandom, type Random } from '../fixtures/random.ts'
import { createRest, type Rest } from '../fixtures/rest.ts'
import { openStream, type StreamClient } from '../fixtures/stream-client.ts'

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
  received: string[]
  /** Where it began. */
  start: string | undefined
}

/** How far publishing is; the subscribers time their misdeeds by it. */
interface Progress {
  published: number
  done: boolean
  waiters: Set<() => void>
}

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
      if (frame === undefined || !('subscription' in frame || 'cursor' in frame || frame.type === 'message')) continue
      const ledger = ledgers.find(({ name }) => name === ('subscription' in frame ? frame.subscription : undefined))
      if (ledger === undefined) continue
      if (frame.type === 'message') {
        ledger.received.push(frame.message.cursor)
        ledger.cursor = frame.message.cursor
      } else if (frame.type === 'subscribed') {
        if (ledger.start === undefined) ledger.start = ledger.cursor = frame.cursor
      } else if (frame.type === 'caught-up' || frame.type === 'progress') {
        ledger.cursor = frame.cursor
      }
    }
  })
}

async function open(url: string, ledgers: Ledger[]): Promise<StreamClient> {
  const client = await openStream(url)
  record(client, ledgers)
  for (const ledger of ledgers) subscribe(client, ledger, { after: ledger.cursor })
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
        subscribe(client, random.pick(ledgers), {})
      }
      await reached(progress, later)
    }
    client.socket.terminate()
    await client.closed
  }
  const client = await open(url, ledgers)
  const end = await tip()
  await client.until(() => ledgers.every(({ start, cursor }) => start !== undefined && parseCursor(cursor).seq >= end))
  await client[Symbol.asyncDispose]()
}

async function run(pair: GatewayPair, seed: number, count: number): Promise<void> {
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
        received: [],
        start: undefined,
      }),
    ),
  )
  async function tip(): Promise<number> {
    // The other gateway's messages are still on their way; the log is complete when it holds all that both published.
    await expect.poll(async () => (await rest.history('topic=*')).length, { timeout: 20_000 }).toBe(progress.published)
    return parseCursor((await rest.history('topic=*')).at(-1)?.cursor ?? 'e.0').seq
  }
  const subscribers = clients.map((ledgers, index) => misbehave(pair.subject.url, ledgers, createRandom(seed * 100 + index), progress, tip))
  await publish([rest, rest, createRest(pair.other.url)], count, random, progress)
  await Promise.all(subscribers)

  const log = await rest.history('topic=*')
  expect(log.length).toBe(progress.published)
  for (const { patterns, start, received } of clients.flat()) {
    const filter = topicFilter(patterns)
    const from = parseCursor(start ?? '').seq
    const expected = log.filter(({ topic, cursor }) => matchesTopic(filter, topic ?? '') && parseCursor(cursor).seq > from)
    expect(received).toEqual(expected.map(({ cursor }) => cursor))
  }
}

describe.each([
  ['memory', memoryPair, 12, 1_500],
  ['libp2p', libp2pPair, 4, 1_500],
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
