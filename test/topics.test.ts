import { expect, test } from 'vitest'
import { localKey } from '../src/access/client-key.ts'
import { StoreUnavailable, TopicLimit, TopicNotFound } from '../src/errors.ts'
import { defaultLimits } from '../src/limits.ts'
import { createTopics, type Topics } from '../src/topics.ts'
import { silentLog } from './fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork } from './fixtures/memory-engine.ts'
import { createMemoryIdentity } from './fixtures/memory-identity.ts'
import { createMemoryStore } from './fixtures/memory-store.ts'

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
  const create = (): Topics => createTopics({ limits: { ...defaultLimits, maxJoinedTopics } }, { engine: watched, store, log: silentLog })
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
  const stricter = createTopics({ limits: { ...defaultLimits, maxJoinedTopics: 1 } }, { engine, store, log: silentLog })
  await stricter.start()
  expect(await engine.topics()).toEqual(['a', 'b'])
  await expect(stricter.join('c', { client })).rejects.toThrow(TopicLimit)
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
