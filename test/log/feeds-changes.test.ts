import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { outbound } from './outbound-for-test.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] }))
afterEach(() => void vi.useRealTimers())

describe('a neighbour that leaves, returns or subscribes while it is fed', () => {
  test('that has left before its turn is not fed, and holds the sent mark until somebody else is there', async () => {
    const { engine, append, message, mark, pass } = await outbound()
    engine.subscribers = ['slow']
    const [first, second] = [message('one'), message('two')]
    await append(first, second)
    engine.subscribers = []
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: second.id })
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    engine.listener({ type: 'peer:left', peerId: 'slow', since: second.id, topics: ['orders'] })
    await pass(defaultLimits.sentWindowMs + 1_000)
    expect([engine.fed, await mark()]).toEqual([[], 1])
    engine.subscribers = ['next']
    await pass(2_000)
    expect([engine.sent, await mark()]).toEqual([['one', 'two', 'two'], 2])
    await pass(2_000)
    expect(engine.sent).toEqual(['one', 'two', 'two'])
  })

  test('that leaves has what waits already wait on', async () => {
    const { engine, append, message, pass } = await outbound()
    await append(message('one'))
    engine.takes = 1
    const second = message('two', { topic: 'another' })
    await append(second)
    engine.takes = undefined
    engine.listener({ type: 'peer:left', peerId: 'slow', since: second.id, topics: ['orders', 'another'] })
    await pass(0)
    engine.subscribers = ['next']
    await pass(1_000)
    expect(engine.sent).toEqual(['two', 'one', 'two'])
  })

  test('that leaves while the database is away is looked after later', async () => {
    const { engine, append, message, parts, pass, failToFind } = await outbound()
    engine.subscribers = ['slow']
    const first = message('one')
    await append(first)
    engine.subscribers = []
    failToFind()
    engine.listener({ type: 'peer:left', peerId: 'slow', since: first.id, topics: ['orders'] })
    await pass(0)
    expect(parts.waiting).toBe(0)
    await pass(1_000)
    expect(parts.waiting).toBe(1)
  })

  test('that leaves while the sent mark is moved holds it', async () => {
    const { engine, append, message, mark, pass } = await outbound()
    engine.subscribers = ['slow']
    const first = message('one')
    await append(first, message('two'))
    engine.subscribers = []
    await append(message('nobody there', { topic: 'other' }))
    await pass(defaultLimits.sentWindowMs - 500)
    engine.onSubscribers = () => engine.listener({ type: 'peer:left', peerId: 'slow', since: first.id, topics: ['orders'] })
    await pass(2_000)
    expect(await mark()).toBe(0)
  })

  test('that subscribes to a topic in which something waits is fed that too', async () => {
    const { engine, append, message, parts, pass } = await outbound()
    const behind = message('behind', { topic: 'other' })
    await append(message('waits'))
    engine.subscribers = ['slow']
    engine.takes = 0
    await append(behind)
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: behind.id })
    engine.listener({ type: 'topic:subscribe', peerId: 'slow', topic: 'orders' })
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect([engine.fed, parts.waiting]).toEqual([['waits', 'behind'], 0])
  })

  test('goes on where it was when something waits that comes behind that, and is fed it once', async () => {
    const { engine, append, message, pass } = await outbound()
    const first = message('one')
    engine.subscribers = ['slow']
    await append(first)
    engine.subscribers = []
    await append(message('waits', { topic: 'other' }))
    engine.sent.length = 0
    engine.room = 0
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    engine.subscribers = ['slow']
    engine.listener({ type: 'topic:subscribe', peerId: 'slow', topic: 'other' })
    await pass(0)
    engine.room = 10
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect([engine.fed, engine.sent]).toEqual([['one', 'waits'], []])
  })

  test('has nobody wait for what it was not handed, although it has subscribed a while ago', async () => {
    const { engine, append, message, parts } = await outbound()
    engine.subscribers = ['slow']
    engine.takes = 0
    engine.listener({ type: 'topic:subscribe', peerId: 'slow', topic: 'orders' })
    await append(message('one'))
    expect(parts.waiting).toBe(0)
  })

  test('that leaves and comes back while it is fed is fed again', async () => {
    const { engine, append, message, pass } = await outbound()
    engine.subscribers = ['slow']
    const first = message('one')
    await append(first)
    engine.onFeed = () => {
      engine.listener({ type: 'peer:left', peerId: 'slow', since: first.id, topics: ['orders'] })
      engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    }
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(1_000)
    await pass(0)
    expect([engine.fed, engine.settled]).toEqual([['one', 'one'], ['slow']])
  })

  test('has nothing read for it while it has no room', async () => {
    const base = await outbound()
    const { engine, append, message, pass } = base
    engine.subscribers = ['slow']
    const stored = Array.from({ length: 50 }, (_, index) => message(String(index)))
    await append(...stored)
    engine.room = 0
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: stored[0]?.id ?? '' })
    const before = base.rows
    for (let second = 0; second < 20; second++) await pass(1_000)
    expect(base.rows - before).toBeLessThan(3)
    engine.room = 100
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect(engine.fed.length).toBe(50)
  })

  test('has what is new wait for one step of one of them, however many they are', async () => {
    const { engine, append, message, parts, pass } = await outbound()
    const first = message('one')
    await append(first)
    for (let index = 0; index < 10; index++) {
      engine.listener({ type: 'peer:behind', peerId: `slow ${index}`, since: first.id })
      engine.listener({ type: 'peer:room', peerId: `slow ${index}` })
    }
    await parts.send([])
    expect(engine.feeds).toBe(1)
    for (let index = 0; index < 10; index++) await pass(0)
    expect(engine.settled.length).toBe(10)
  })
})
