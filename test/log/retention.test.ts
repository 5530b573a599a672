import { expect, onTestFinished, test } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createHub } from '../../src/log/hub.ts'
import { createRetention } from '../../src/log/retention.ts'
import { idempotencyWindowMs } from '../../src/model/idempotency-key.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { storedMessage } from '../fixtures/messages.ts'

async function setUp(limits: Partial<typeof defaultLimits>) {
  const disk = createMemoryDisk()
  const { log, topics, audit, sessions } = createMemoryStore(disk)
  const hub = createHub({ limits: defaultLimits }, { log })
  await hub.start()
  const clock = { now: 2_000_000_000_000 }
  const swept = { peers: 0 }
  const retention = createRetention(
    { limits: { ...defaultLimits, ...limits } },
    {
      log,
      audit,
      sessions,
      peers: { sweep: async () => void swept.peers++ },
      hub,
      metrics: createMetrics(),
      logger: silentLog,
      now: () => clock.now,
    },
  )
  onTestFinished(() => retention.stop())
  return {
    disk,
    log,
    topics,
    audit,
    sessions,
    hub,
    clock,
    retention,
    swept,
    async append(topic: string, count: number, receivedAt = clock.now) {
      const first = disk.tip + 1
      const messages = Array.from({ length: count }, (_, index) => ({
        ...storedMessage(first + index, topic),
        receivedAt,
        storedAt: receivedAt,
      }))
      const { previousTip, entries } = await log.append(messages)
      hub.append(
        previousTip,
        entries.flatMap(({ message }) => message ?? []),
      )
    },
    seqs: () => disk.messages.map(({ seq }) => seq),
  }
}

test('retentionMaxBytes: a topic for which nothing is said keeps the newest of so many bytes', async () => {
  const { append, disk, retention, seqs } = await setUp({ retentionMaxBytes: 500 })
  await append('a', 100)
  await retention.sweep()
  const left = seqs()
  expect(left.at(-1)).toBe(100)
  expect(left.length).toBeGreaterThan(0)
  expect(left.length).toBeLessThan(100)
  expect(disk.messages.reduce((sum, { data }) => sum + data.length, 0)).toBeLessThanOrEqual(500)
})

test('a sweep leaves what each topic keeps, and what is read from memory is the same', async () => {
  const { append, topics, retention, seqs, hub } = await setUp({ retentionMaxMessages: 3, maxPruneMessages: 2 })
  await topics.retain('b', { maxMessages: 1 })
  await append('a', 7)
  await append('b', 3)
  await retention.sweep()
  expect(seqs()).toEqual([5, 6, 7, 10])
  const { entries } = await hub.read(0, { exact: [], patterns: ['>'] }, 1_000_000)
  expect(entries.map(({ message }) => message.seq)).toEqual([5, 6, 7, 10])
})

test('what is too old goes, by the time it was received', async () => {
  const { append, clock, retention, seqs } = await setUp({ retentionMaxAgeMs: 1_000 })
  await append('a', 1, clock.now - 1_001)
  await append('a', 1, clock.now - 1_000)
  await retention.sweep()
  expect(seqs()).toEqual([2])
  clock.now++
  await retention.sweep()
  expect(seqs()).toEqual([])
})

test('ids of pruned messages and idempotency keys are forgotten when their time is over', async () => {
  const { append, log, disk, clock, retention } = await setUp({ retentionMaxMessages: 1, seenWindowMs: 5_000, maxPruneMessages: 2 })
  await append('a', 6)
  const createdAt = clock.now
  await log.append(
    [{ ...storedMessage(7, 'a'), storedAt: clock.now }],
    [{ key: 'key', fingerprint: new Uint8Array(), first: 0, count: 1, createdAt, since: 0 }],
  )
  await retention.sweep()
  expect([disk.seen.size, disk.keys.size]).toEqual([6, 1])
  const after = async (ms: number) => {
    clock.now = createdAt + ms
    await retention.sweep()
    return [disk.seen.size, disk.keys.size]
  }
  expect(await after(5_000)).toEqual([6, 1])
  expect(await after(5_001)).toEqual([0, 1])
  expect(await after(idempotencyWindowMs)).toEqual([0, 1])
  expect(await after(idempotencyWindowMs + 1)).toEqual([0, 0])
})

test('topics without messages are forgotten when their time is over, the longest empty sooner when they are too many; peers are looked at', async () => {
  const limits = { retentionMaxAgeMs: 1, topicKeptMs: 5_000, maxEmptyTopics: 3, maxPruneMessages: 1 }
  const { append, disk, clock, retention, swept } = await setUp(limits)
  const start = clock.now
  for (const topic of ['a', 'b', 'c', 'd', 'e']) {
    await append(topic, 1, clock.now - 2)
    await retention.sweep()
    clock.now++
  }
  expect([...disk.empty.keys()]).toEqual(['c', 'd', 'e'])
  clock.now = start + 5_002
  await retention.sweep()
  expect([...disk.empty.keys()]).toEqual(['c', 'd', 'e'])
  clock.now++
  await retention.sweep()
  expect([...disk.empty.keys()]).toEqual(['d', 'e'])
  expect(swept.peers).toBe(7)
})

test('sweeps by itself, and an append never waits for more than a step', async () => {
  const { append, retention, log, seqs } = await setUp({ retentionMaxMessages: 10, retentionSweepMs: 10, maxPruneMessages: 5 })
  await append('a', 500)
  await retention.start()
  const order: string[] = []
  const prune = log.prune
  log.prune = async (query) => {
    order.push('prune')
    return await prune(query)
  }
  await expect.poll(() => order.length).toBeGreaterThan(0)
  await append('a', 1).then(() => order.push('append'))
  await expect.poll(() => seqs().length).toBe(10)
  expect(order.indexOf('append')).toBeLessThan(order.length - 1)
})

test('stops between two steps', async () => {
  const { append, retention, seqs } = await setUp({ retentionMaxMessages: 1, maxPruneMessages: 1 })
  await append('a', 100)
  const sweeping = retention.sweep()
  await retention.stop()
  await sweeping
  expect(seqs().length).toBeGreaterThan(90)
})

test('entries of the audit log go when they have had their time, and stay for ever when that has no end', async () => {
  for (const [auditMaxAgeMs, kept] of [
    [5_000, ['3', '2']],
    [0, ['3', '2', '1']],
  ] as const) {
    const { audit, clock, retention } = await setUp({ auditMaxAgeMs, maxPruneMessages: 1 })
    for (const [id, ageMs] of [
      ['1', 5_001],
      ['2', 5_000],
      ['3', 0],
    ] as const) {
      await audit.note({ id, at: clock.now - ageMs, actor: 'admin', act: 'createToken', detail: {} })
    }
    await retention.sweep()
    expect((await audit.list({ limit: 10 })).map(({ id }) => id)).toEqual(kept)
  }
})
