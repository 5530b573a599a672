import { describe, expect, test } from 'vitest'
import { localKey } from '../../src/access/client-key.ts'
import { StoreUnavailable, TopicLimit, TopicNotFound } from '../../src/errors.ts'
import { defaultLimits, engineLimits } from '../../src/limits.ts'
import { createTopicTraffic } from '../../src/log/topic-traffic.ts'
import { createTopics, type Topics } from '../../src/topics/topics.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

const traffic = createTopicTraffic()

/** Of this host, which may join all there are. */
const client = localKey

async function setUp(maxJoinedTopics = 100) {
  const store = createMemoryStore()
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const calls: string[] = []
  const watched = {
    ...engine,
    async subscribe(topic: string) {
      calls.push(`+${topic}`)
      await engine.subscribe(topic)
    },
    async unsubscribe(topic: string) {
      calls.push(`-${topic}`)
      await engine.unsubscribe(topic)
    },
  }
  const create = (): Topics =>
    createTopics({ limits: { ...defaultLimits, maxJoinedTopics } }, { engine: watched, store, traffic, logger: silentLog })
  return { store, engine, calls, create, topics: create() }
}

test('subscribes again, after a start, to what was joined', async () => {
  const { topics, create, calls } = await setUp()
  for (const topic of ['b', 'a', 'c']) await topics.join(topic, { client })
  await topics.leave('c')
  calls.length = 0
  await create().start()
  expect(calls).toEqual(['+a', '+b'])
})

test('subscribes to everything that was joined, also when the limit has become lower', async () => {
  const { topics, store, engine, calls } = await setUp()
  await topics.join('a', { client })
  await topics.join('b', { client })
  calls.length = 0
  const stricter = createTopics({ limits: { ...defaultLimits, maxJoinedTopics: 1 } }, { engine, store, traffic, logger: silentLog })
  await stricter.start()
  expect(await engine.topics()).toEqual(['a', 'b'])
  await expect(stricter.join('c', { client })).rejects.toThrow(TopicLimit)
})

test('joins as many topics as the custom engine allows without reading all joins for each, and no more', async () => {
  const max = engineLimits.custom.maxJoinedTopics ?? 0
  expect(max).toBe(10_000)
  const { topics, store, engine } = await setUp(max)
  let reads = 0
  const { joins } = store.topics
  store.topics.joins = () => {
    reads++
    return joins()
  }
  for (let number = 0; number < max; number++) await topics.join(`topic-${number}`, { client })
  expect(reads).toBe(1)
  const refusal = topics.join('one-more', { client })
  await expect(refusal).rejects.toThrow(TopicLimit)
  await expect(refusal).rejects.toThrow(/at most 10000 topics\. Leave one with DELETE .*, or raise PEERGATE_MAX_JOINED_TOPICS/)
  expect((await engine.topics()).length).toBe(max)
  await topics.leave('topic-7')
  expect(await topics.join('one-more', { client })).toEqual({ created: true })
  await expect(topics.join('another', { client })).rejects.toThrow(TopicLimit)
})

test('a join that the database refused takes no place', async () => {
  const { topics, store } = await setUp(2)
  await topics.join('a', { client })
  const { join } = store.topics
  store.topics.join = () => Promise.reject(new StoreUnavailable('gone'))
  await expect(topics.join('b', { client })).rejects.toThrow(StoreUnavailable)
  store.topics.join = join
  expect(await topics.join('b', { client })).toEqual({ created: true })
  await expect(topics.join('c', { client })).rejects.toThrow(TopicLimit)
})

test('joins once, however many ask at once', async () => {
  const { topics, calls } = await setUp()
  const answers = await Promise.all(Array.from({ length: 20 }, () => topics.join('a', { client })))
  expect(answers.filter(({ created }) => created)).toHaveLength(1)
  expect(calls).toEqual(['+a'])
})

test('keeps the limit, however many join at once', async () => {
  const { topics, engine } = await setUp(3)
  const answers = await Promise.allSettled(Array.from({ length: 10 }, (_, number) => topics.join(`topic ${number}`, { client })))
  expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
  expect(await engine.topics()).toHaveLength(3)
})

test('ends up the same in the store and at the engine after joins and leaves at once', async () => {
  const { topics, store, engine } = await setUp()
  await Promise.all(Array.from({ length: 30 }, (_, number) => (number % 3 === 1 ? topics.leave('a') : topics.join('a', { client }))))
  expect(await store.topics.joined()).toEqual(await engine.topics())
  await Promise.all([topics.join('a', { client }), topics.leave('a')])
  expect([await store.topics.joined(), await engine.topics()]).toEqual([[], []])
})

test('asks neither store nor engine for a topic that is joined', async () => {
  const { topics, store, calls } = await setUp()
  await topics.ensureJoined('a', client)
  store.topics.join = () => Promise.reject(new Error('asked'))
  await topics.ensureJoined('a', client)
  expect(calls).toEqual(['+a'])
})

test('subscribes to nothing that the store did not take, and can join later', async () => {
  const { topics, store, calls } = await setUp()
  const { join } = store.topics
  store.topics.join = () => Promise.reject(new StoreUnavailable('locked'))
  await expect(topics.ensureJoined('a', client)).rejects.toThrow(StoreUnavailable)
  expect(calls).toEqual([])
  store.topics.join = join
  expect(await topics.join('a', { client })).toEqual({ created: true })
})

test('says whether there was something to leave', async () => {
  const { topics } = await setUp()
  await topics.join('a', { client })
  expect([await topics.leave('a'), await topics.leave('a')]).toEqual([true, false])
  await expect(topics.get('a')).rejects.toThrow(TopicNotFound)
})

test('pages through all topics', async () => {
  const { topics } = await setUp()
  for (const topic of ['d', 'b', 'a', 'c']) await topics.join(topic, { client })
  const names: string[][] = []
  for (let after: string | undefined; ; ) {
    const { items, next } = await topics.list({ after, limit: 2 })
    names.push(items.map(({ topic }) => topic))
    if (next === null) break
    after = next
  }
  expect(names).toEqual([
    ['a', 'b'],
    ['c', 'd'],
  ])
})

describe('joins of clients', () => {
  /** Topics of two clients, of whose eight places each may have two; time stands until it is moved. */
  async function shared(limits: Partial<typeof defaultLimits> = {}) {
    const clock = { now: 1_000_000_000 }
    const store = createMemoryStore()
    const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
    const init = { limits: { ...defaultLimits, maxJoinedTopics: 8, topicReclaimMs: 1_000, subscribedTopicMs: 10_000, ...limits } }
    const create = () => createTopics(init, { engine, store, traffic, logger: silentLog, now: () => clock.now })
    const topics = create()
    await topics.ensureJoined('of-b', 'b')
    return { clock, store, engine, topics, create }
  }

  test('leave a share to others, however many one makes, explicitly or by using topics', async () => {
    const { topics, engine } = await shared()
    await topics.join('a1', { client: 'a' })
    await topics.ensureJoined('a2', 'a')
    await expect(topics.ensureJoined('a3', 'a')).rejects.toThrow(TopicLimit)
    await expect(topics.use('a3', 'a')).rejects.toThrow(TopicLimit)
    await expect(topics.join('a3', { client: 'a' })).rejects.toThrow(TopicLimit)
    await topics.ensureJoined('of-b', 'a')
    await topics.join('b2', { client: 'b' })
    for (const topic of ['x', 'y', 'z', 'w']) await topics.join(topic, { client: localKey })
    expect(await engine.topics()).toHaveLength(8)
    await expect(topics.join('one-more', { client: localKey })).rejects.toThrow(TopicLimit)
  })

  test('are not needed to publish: without room nothing is joined, until a topic is left', async () => {
    const { topics, store, engine, clock } = await shared()
    await topics.ensureJoined('a1', 'a')
    await topics.ensureJoined('a2', 'a')
    const { joins } = store.topics
    let reads = 0
    store.topics.joins = () => {
      reads++
      return joins()
    }
    for (let number = 3; number < 20; number++) await topics.joinIfRoom(`a${number}`, 'a')
    expect([await engine.topics(), reads]).toEqual([['of-b', 'a1', 'a2'], 1])
    await topics.leave('a1')
    await topics.joinIfRoom('a3', 'a')
    expect(await engine.topics()).toEqual(['of-b', 'a2', 'a3'])
    await topics.joinIfRoom('a4', 'a')
    clock.now += 1_001
    await topics.sweep()
    await topics.joinIfRoom('a4', 'a')
    expect(await engine.topics()).toEqual(['of-b', 'a3', 'a4'])
  })

  test('by use of a topic with a retention of its own last until it is left', async () => {
    const { topics, clock, engine } = await shared()
    await topics.ensureJoined('a1', 'a')
    await topics.retain('of-b', { maxMessages: 5 }, 'admin')
    await topics.retain('a1', { maxMessages: null }, 'admin')
    clock.now += 20_000
    await topics.sweep()
    expect(await engine.topics()).toEqual(['of-b'])
  })

  test('that find no room look for it again only when there can be some', async () => {
    const { topics, store, clock } = await shared()
    const { joins } = store.topics
    let looks = 0
    store.topics.joins = async () => {
      looks++
      return await joins()
    }
    const ask = async (): Promise<[boolean, number]> => {
      looks = 0
      const isRefused = await topics.join('a3', { client: 'a' }).then(
        () => false,
        (error) => error instanceof TopicLimit,
      )
      return [isRefused, looks]
    }
    await topics.join('a1', { client: 'a' })
    await topics.ensureJoined('a2', 'a')
    expect(await ask()).toEqual([true, 1])
    for (let time = 0; time < 3; time++) expect(await ask()).toEqual([true, 0])
    await topics.leave('of-b')
    await topics.join('of-b', { client: 'b' })
    expect(await ask()).toEqual([true, 1])
    clock.now += 1_001
    expect(await ask()).toEqual([false, 2])
  })

  test('alone take all but a share', async () => {
    const { topics } = await shared()
    await topics.leave('of-b')
    for (let number = 0; number < 6; number++) await topics.ensureJoined(`a${number}`, 'a')
    await expect(topics.ensureJoined('a6', 'a')).rejects.toThrow(TopicLimit)
    await topics.ensureJoined('b1', 'b')
    await topics.ensureJoined('b2', 'b')
  })

  test('that were made by using topics end some time after the last use, and no sooner', async () => {
    const { topics, clock, engine, store } = await shared()
    const open = await topics.use('a', 'a')
    await topics.join('kept', { client: 'a' })
    clock.now += 50_000
    await topics.sweep()
    expect(await engine.topics()).toEqual(['a', 'kept'])
    open[Symbol.dispose]()
    await topics.sweep()
    clock.now += 10_000
    await topics.sweep()
    expect(await engine.topics()).toEqual(['a', 'kept'])
    clock.now += 10_000
    await topics.sweep()
    expect([await engine.topics(), await store.topics.joined()]).toEqual([['kept'], ['kept']])
    await topics.ensureJoined('a', 'a')
    expect(await engine.topics()).toEqual(['kept', 'a'])
  })

  test('go on while the client publishes, or reads', async () => {
    const { topics, clock, engine } = await shared()
    for (let round = 0; round < 5; round++) {
      clock.now += 9_000
      await topics.ensureJoined('of-b', 'b')
      await topics.sweep()
    }
    for (let round = 0; round < 5; round++) {
      clock.now += 9_000
      topics.read('of-b', 'reader')
      await topics.sweep()
    }
    topics.read('never-joined', 'reader')
    await topics.sweep()
    expect(await engine.topics()).toEqual(['of-b'])
  })

  test('go on over a restart, and for those who share the topic', async () => {
    const { topics, clock, engine, create } = await shared()
    await topics.ensureJoined('of-b', 'a')
    clock.now += 10_000
    await topics.stop()
    const again = create()
    await again.start()
    await again.ensureJoined('of-b', 'a')
    clock.now += 10_000
    await again.sweep()
    expect(await engine.topics()).toEqual(['of-b'])
    await again.stop()
  })

  test('end with the token, unless others have joined the topic too, or they are explicit', async () => {
    const { topics, engine, store } = await shared()
    using _open = await topics.use('a', 'a')
    await topics.use('of-b', 'a')
    await topics.join('kept', { client: 'a' })
    expect(await topics.clients()).toEqual(new Set(['a', 'b']))
    await topics.giveUp('a')
    expect(await engine.topics()).toEqual(['of-b', 'kept'])
    await topics.sweep()
    expect((await store.topics.joins()).map(({ topic, client }) => `${topic} ${client}`)).toEqual(['of-b b', 'kept a'])
  })

  test('that have not been used for long are given up for others of the same client, and for nobody else', async () => {
    const { topics, clock, engine } = await shared()
    await topics.ensureJoined('a1', 'a')
    clock.now += 500
    using _open = await topics.use('a2', 'a')
    clock.now += 800
    await topics.ensureJoined('a3', 'a')
    expect(await engine.topics()).toEqual(['of-b', 'a2', 'a3'])
    clock.now += 900
    await expect(topics.ensureJoined('a4', 'a')).rejects.toThrow(TopicLimit)
    clock.now += 200
    await topics.ensureJoined('a4', 'a')
    expect(await engine.topics()).toEqual(['of-b', 'a2', 'a4'])
  })

  test('beyond a share make room, once nobody uses them, when all places are taken', async () => {
    const { topics, clock, engine } = await shared()
    await topics.leave('of-b')
    for (let number = 0; number < 6; number++) await topics.ensureJoined(`a${number}`, 'a')
    await topics.ensureJoined('b1', 'b')
    await topics.ensureJoined('b2', 'b')
    await expect(topics.ensureJoined('c1', 'c')).rejects.toThrow(TopicLimit)
    clock.now += 1_001
    await topics.ensureJoined('c1', 'c')
    expect(await engine.topics()).toEqual(['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'c1'])
  })
})
