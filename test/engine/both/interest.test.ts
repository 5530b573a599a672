import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createInterest } from '../../../src/engine/both/interest.ts'
import type { EngineEvent } from '../../../src/engine/engine.ts'
import { silentLog } from '../../fixtures/log.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

/** The interest of a network's peers in topics of another one, on networks of the test's. */
function interestFor(init: { maxTopics?: number; bridges?: string[]; mayCarry?: (topic: string) => boolean } = {}) {
  const { maxTopics = 10, bridges = [], mayCarry = () => true } = init
  const own = new Set<string>()
  /** Topics that the node is subscribed to in this network. */
  const subscribed = new Set<string>()
  /** By topic, the other network's subscribers. */
  const there = new Map<string, string[]>()
  const listeners = new Set<(event: EngineEvent) => void>()
  /** Topics that bridges want for others, with the bridge. */
  const wantedBeyond = new Map<string, string>()
  /** Topics as they were told to be subscribed to for the other network. */
  const bridged: string[] = []
  const state = { refusals: 0, isBroken: false }
  const interest = createInterest(
    { maxTopics, mayCarry, keptMs: 60_000 },
    {
      engine: {
        async subscribe(topic) {
          if (state.isBroken) throw new Error('broken')
          subscribed.add(topic)
        },
        unsubscribe: async (topic) => void subscribed.delete(topic),
      },
      other: {
        subscribers: async (topic) => there.get(topic) ?? [],
        listen(listener) {
          listeners.add(listener)
          return () => void listeners.delete(listener)
        },
      },
      own,
      isBridge: (peerId) => bridges.includes(peerId),
      // Of "stranger 5 at 192.0.2.1" the last.
      hostOf: (peerId) => peerId.split(' at ').at(-1) ?? '',
      beyond: async (topics) =>
        new Map(topics.flatMap((topic) => (wantedBeyond.has(topic) ? [[topic, [wantedBeyond.get(topic) ?? '']]] : []))),
      onFull: () => state.refusals++,
      onBridged: (topic) => void bridged.push(topic),
      logger: silentLog,
    },
  )
  interest.start()
  const pass = async (ms: number) => void (await vi.advanceTimersByTimeAsync(ms))
  return {
    interest,
    bridged,
    state,
    listeners,
    wantedBeyond,
    pass,
    subscribed: () => [...subscribed].toSorted(),
    async join(topic: string, peerId = 'peer') {
      there.set(topic, [...(there.get(topic) ?? []), peerId])
      for (const listener of listeners) listener({ type: 'topic:subscribe', peerId, topic })
      await pass(0)
    },
    leave: (topic: string) => void there.delete(topic),
    async joinOwn(topic: string) {
      own.add(topic)
      await interest.changed(topic)
    },
    async leaveOwn(topic: string) {
      own.delete(topic)
      await interest.changed(topic)
    },
  }
}

test('a topic is subscribed to while the other network has a subscriber, and for a minute after', async () => {
  const { interest, subscribed, join, leave, pass } = interestFor()
  await join('orders')
  expect([subscribed(), interest.topics().length]).toEqual([['orders'], 1])
  await pass(600_000)
  expect(subscribed()).toEqual(['orders'])
  leave('orders')
  await pass(55_000)
  expect(subscribed()).toEqual(['orders'])
  await pass(10_000)
  expect([subscribed(), interest.topics().length]).toEqual([[], 0])
})

test('what came at the last moment of a subscription is still for the other network for a minute', async () => {
  const { interest, join, leave, pass } = interestFor()
  await join('orders')
  leave('orders')
  await pass(110_000)
  expect(interest.has('orders')).toBe(true)
  await pass(20_000)
  expect(interest.has('orders')).toBe(false)
})

test('a subscriber that is back within a minute keeps the subscription', async () => {
  const { subscribed, join, leave, pass } = interestFor()
  await join('orders')
  leave('orders')
  await pass(50_000)
  await join('orders')
  leave('orders')
  await pass(50_000)
  expect(subscribed()).toEqual(['orders'])
})

test('subscriptions of bridges count for nothing, unless one says that it wants the topic for others', async () => {
  const { subscribed, join, pass, wantedBeyond } = interestFor({ bridges: ['bridge'] })
  await join('orders', 'bridge')
  expect(subscribed()).toEqual([])
  await join('orders', 'peer')
  expect(subscribed()).toEqual(['orders'])
  await join('news', 'bridge')
  await pass(10_000)
  expect(subscribed()).toEqual(['orders'])
  wantedBeyond.set('news', 'bridge')
  await pass(5_000)
  expect(subscribed()).toEqual(['news', 'orders'])
  wantedBeyond.delete('news')
  await pass(70_000)
  expect(subscribed()).toEqual(['orders'])
})

test('topics that are not carried, and names that are no topics here, are left out', async () => {
  const { subscribed, join, state } = interestFor({ mayCarry: (topic) => topic !== 'secret' })
  for (const topic of ['secret', '', 'a\nb', 'x'.repeat(1_000), 'orders.>', 'orders']) await join(topic)
  expect([subscribed(), state.refusals]).toEqual([['orders'], 0])
})

describe('at most the maximum of topics', () => {
  test('is subscribed to, and what did not fit follows when there is room', async () => {
    const { interest, subscribed, join, leave, pass, state } = interestFor({ maxTopics: 2 })
    for (const topic of ['one', 'two', 'three', 'four']) await join(topic)
    expect([subscribed(), state.refusals]).toEqual([['one', 'two'], 2])
    leave('one')
    leave('three')
    await pass(70_000)
    expect([subscribed(), state.refusals, interest.topics().length]).toEqual([['four', 'two'], 2, 2])
  })

  test('includes those of the node itself', async () => {
    const { subscribed, join, joinOwn, leaveOwn, pass } = interestFor({ maxTopics: 2 })
    await joinOwn('own')
    for (const topic of ['one', 'own', 'two']) await join(topic)
    expect(subscribed()).toEqual(['one', 'own'])
    await leaveOwn('own')
    await pass(5_000)
    expect(subscribed()).toEqual(['one', 'own'])
  })

  test('gives way to the topics of the node itself, the newest first, and gets its places back', async () => {
    const { interest, subscribed, join, joinOwn, leaveOwn, pass, state } = interestFor({ maxTopics: 3 })
    for (const topic of ['one', 'two', 'three']) await join(topic)
    await joinOwn('own')
    expect([subscribed(), state.refusals, interest.topics().length]).toEqual([['one', 'own', 'two'], 1, 2])
    for (const topic of ['own 2', 'own 3', 'own 4']) await joinOwn(topic)
    expect([subscribed(), interest.topics().length]).toEqual([['own', 'own 2', 'own 3', 'own 4'], 0])
    for (const topic of ['own', 'own 2', 'own 3', 'own 4']) await leaveOwn(topic)
    await pass(5_000)
    expect(subscribed()).toEqual(['one', 'three', 'two'])
  })
})

describe('when all places are taken', () => {
  test('a peer that subscribes to any number of topics leaves others as many places as it has', async () => {
    const { subscribed, join, state, pass } = interestFor({ maxTopics: 10 })
    for (let topic = 0; topic < 200; topic++) await join(`flood ${topic}`, 'hostile')
    for (let topic = 0; topic < 20; topic++) await join(`honest ${topic}`, 'honest')
    const honest = () => subscribed().filter((topic) => topic.startsWith('honest')).length
    expect([subscribed().length, honest()]).toEqual([10, 5])
    for (let topic = 200; topic < 400; topic++) await join(`flood ${topic}`, 'hostile')
    await pass(600_000)
    expect([subscribed().length, honest()]).toEqual([10, 5])
    expect(state.refusals).toBeLessThan(1_000)
  })

  test('a stranger with any number of peer ids at one address leaves peers at others as many places', async () => {
    const { subscribed, join, pass } = interestFor({ maxTopics: 10 })
    for (let key = 0; key < 100; key++) await join(`flood ${key}`, `stranger ${key} at 192.0.2.1`)
    for (let topic = 0; topic < 3; topic++) await join(`modest ${topic}`, 'honest at 192.0.2.2')
    for (let topic = 0; topic < 20; topic++) await join(`eager ${topic}`, 'honest at 192.0.2.3')
    await pass(60_000)
    const count = (kind: string) => subscribed().filter((topic) => topic.startsWith(kind)).length
    expect([count('flood'), count('modest'), count('eager')]).toEqual([4, 3, 3])
  })

  test('the peers of one address leave each other as many places', async () => {
    const { subscribed, join, pass } = interestFor({ maxTopics: 6 })
    for (let topic = 0; topic < 20; topic++) await join(`flood ${topic}`, 'hostile at 192.0.2.1')
    for (let topic = 0; topic < 3; topic++) await join(`honest ${topic}`, 'honest at 192.0.2.1')
    await pass(60_000)
    expect(subscribed().filter((topic) => topic.startsWith('honest'))).toHaveLength(3)
  })

  test('a topic counts to the one of its subscribers who has the fewest, so nobody can have it given up', async () => {
    const { subscribed, join, pass } = interestFor({ maxTopics: 4 })
    for (const topic of ['one', 'two', 'three', 'honest']) await join(topic, 'hostile')
    await join('honest', 'honest')
    for (const topic of ['four', 'five']) await join(topic, 'another')
    await pass(60_000)
    expect(subscribed()).toEqual(expect.arrayContaining(['honest', 'four']))
    expect(subscribed()).toHaveLength(4)
  })

  test('what a bridge wants for others has places too', async () => {
    const { subscribed, join, pass, wantedBeyond } = interestFor({ maxTopics: 4, bridges: ['bridge'] })
    for (let topic = 0; topic < 50; topic++) await join(`flood ${topic}`, 'hostile')
    wantedBeyond.set('news', 'bridge')
    await join('news', 'bridge')
    await pass(10_000)
    expect(subscribed()).toContain('news')
  })

  test('a bridge that wants any number of topics leaves others as many places as it has', async () => {
    const { subscribed, join, pass, wantedBeyond } = interestFor({ maxTopics: 10, bridges: ['hostile', 'bridge'] })
    for (let topic = 0; topic < 50; topic++) {
      wantedBeyond.set(`flood ${topic}`, 'hostile')
      await join(`flood ${topic}`, 'hostile')
    }
    for (const topic of ['one', 'two', 'three']) {
      wantedBeyond.set(topic, 'bridge')
      await join(topic, 'bridge')
    }
    await pass(60_000)
    expect(subscribed()).toEqual(expect.arrayContaining(['one', 'two', 'three']))
  })

  test('topics of as many peers as there are places stay, whoever comes later', async () => {
    const { subscribed, join, pass } = interestFor({ maxTopics: 3 })
    for (const topic of ['one', 'two', 'three', 'four']) await join(topic, `peer ${topic}`)
    await pass(60_000)
    expect(subscribed()).toEqual(['one', 'three', 'two'])
  })
})

describe('a topic that the node itself subscribes to', () => {
  test('is kept when its last subscriber in the other network leaves', async () => {
    const { interest, subscribed, join, leave, joinOwn, pass } = interestFor()
    await join('orders')
    await joinOwn('orders')
    expect(interest.topics().length).toBe(0)
    leave('orders')
    await pass(70_000)
    expect(subscribed()).toEqual(['orders'])
  })

  test('is kept for the other network when the node leaves it', async () => {
    const { interest, subscribed, join, joinOwn, leaveOwn, leave, pass } = interestFor()
    await joinOwn('orders')
    await join('orders')
    await leaveOwn('orders')
    expect([subscribed(), interest.topics().length]).toEqual([['orders'], 1])
    leave('orders')
    await pass(70_000)
    expect(subscribed()).toEqual([])
    await joinOwn('news')
    await leaveOwn('news')
    expect(subscribed()).toEqual([])
  })
})

test('a subscription that failed is tried again', async () => {
  const { subscribed, join, pass, state } = interestFor()
  state.isBroken = true
  await join('orders')
  expect(subscribed()).toEqual([])
  state.isBroken = false
  await pass(5_000)
  expect(subscribed()).toEqual(['orders'])
})

test('a stop ends the watch, and a start goes on with it', async () => {
  const { interest, subscribed, join, listeners, pass } = interestFor()
  await interest.stop()
  expect(listeners.size).toBe(0)
  await join('orders')
  await pass(60_000)
  expect(subscribed()).toEqual([])
  interest.start()
  interest.start()
  expect(listeners.size).toBe(1)
  await join('orders')
  expect(subscribed()).toEqual(['orders'])
})
