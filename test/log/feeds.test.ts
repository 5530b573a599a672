import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { someAuthor } from '../fixtures/messages.ts'
import { outbound } from './outbound-for-test.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] }))
afterEach(() => void vi.useRealTimers())

describe('a neighbour that has no room for everything', () => {
  test('is fed from the log, in order, with what others wrote too', async () => {
    const { engine, append, message, pass } = await outbound()
    engine.subscribers = ['peer', 'slow']
    const stored = ['one', 'two', 'three', 'four'].map((text, index) => message(text, index === 2 ? { from: someAuthor } : {}))
    await append(...stored)
    engine.room = 2
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: stored[1]?.id ?? '' })
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect(engine.fed).toEqual(['two', 'three'])
    engine.room = 2
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect(engine.fed).toEqual(['two', 'three', 'four'])
    expect(engine.settled).toEqual(['slow'])
  })

  test('is not sent its own messages, nor what came by history', async () => {
    const { engine, append, message, pass } = await outbound()
    const first = message('one')
    await append(first, message('its own', { from: someAuthor }), message('kept', { firstSeenAt: 1 }), message('two'))
    engine.listener({ type: 'peer:behind', peerId: someAuthor, since: first.id })
    engine.listener({ type: 'peer:room', peerId: someAuthor })
    await pass(0)
    expect(engine.fed).toEqual(['one', 'two'])
  })

  test('is fed what was kept from it meanwhile before it is a straggler no more', async () => {
    const { engine, append, message, pass } = await outbound()
    const first = message('one')
    await append(first)
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    engine.onSettle = async () => {
      await append(message('two'))
    }
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    await pass(0)
    expect(engine.fed).toEqual(['one', 'two'])
    expect(engine.settled).toEqual(['slow'])
  })

  test('holds the sent mark', async () => {
    const { engine, append, message, mark, pass } = await outbound()
    engine.subscribers = ['peer', 'slow']
    const second = message('two')
    await append(message('one'), second, message('three'))
    engine.room = 0
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: second.id })
    await pass(defaultLimits.sentWindowMs + 2_000)
    await pass(1_000)
    expect(await mark()).toBe(1)
    engine.room = 10
    await pass(1_000)
    await pass(1_000)
    expect(await mark()).toBe(3)
  })

  test('is given up on after the window, as what waits for a subscriber is', async () => {
    const { engine, append, message, mark, pass } = await outbound()
    engine.subscribers = ['slow']
    const first = message('one')
    await append(first)
    engine.room = 0
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    await pass(defaultLimits.unsentWindowMs + 2_000)
    await pass(1_000)
    expect(await mark()).toBe(1)
    expect(engine.fed).toEqual([])
  })

  test('is a subscriber: what it was not handed does not wait for another', async () => {
    const { engine, append, message, parts } = await outbound()
    engine.subscribers = ['slow']
    engine.takes = 0
    await append(message('one'))
    expect(parts.waiting).toBe(0)
  })

  test('leaves what it may not have got to the next subscriber, if it was the only one', async () => {
    const { engine, append, message, parts, pass } = await outbound()
    engine.subscribers = ['slow']
    const second = message('two')
    await append(message('one'), second, message('three'))
    expect(engine.sent).toEqual(['one', 'two', 'three'])
    engine.subscribers = []
    engine.listener({ type: 'peer:left', peerId: 'slow', since: second.id, topics: ['orders', 'never used'] })
    await pass(0)
    expect(parts.waiting).toBe(2)
    engine.subscribers = ['next']
    engine.listener({ type: 'topic:subscribe', peerId: 'next', topic: 'orders' })
    await pass(0)
    expect(engine.sent).toEqual(['one', 'two', 'three', 'two', 'three'])
  })

  test('leaves nothing to do when others are there', async () => {
    const { engine, append, message, parts, pass } = await outbound()
    engine.subscribers = ['slow', 'other']
    const first = message('one')
    await append(first)
    engine.subscribers = ['other']
    engine.listener({ type: 'peer:left', peerId: 'slow', since: first.id, topics: ['orders'] })
    await pass(0)
    expect(parts.waiting).toBe(0)
    expect(engine.sent).toEqual(['one'])
  })

  test('is fed from the first message that it has missed, in whatever order they are told', async () => {
    const { engine, append, message, pass } = await outbound()
    const stored = ['one', 'two', 'three', 'four'].map((text) => message(text))
    const since = (index: number) => engine.listener({ type: 'peer:behind', peerId: 'slow', since: stored[index]?.id ?? '' })
    await append(...stored)
    engine.room = 1
    since(3)
    since(1)
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect(engine.fed).toEqual(['two'])
    engine.room = 10
    since(3)
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect(engine.fed).toEqual(['two', 'three', 'four'])
  })

  test('that has missed what is not in the log any more is fed everything that may not have got there', async () => {
    const { engine, append, message, pass } = await outbound()
    engine.subscribers = ['slow']
    await append(message('settled'))
    await pass(defaultLimits.sentWindowMs + 1_000)
    const last = message('three')
    await append(message('two'), last)
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: last.id })
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: message('pruned').id })
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect(engine.fed).toEqual(['two', 'three'])
  })

  test('is fed what it has missed although the database was away', async () => {
    const { engine, append, message, pass, failToFind } = await outbound()
    const first = message('one')
    await append(first, message('two'))
    engine.room = 1
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect(engine.fed).toEqual(['one'])
    engine.room = 10
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    failToFind()
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect(engine.fed).toEqual(['one'])
    await pass(1_000)
    expect(engine.fed).toEqual(['one', 'one', 'two'])
  })

  test('is fed one step at a time, once for any number of notices, and what is new leaves in between', async () => {
    const { engine, append, message, pass, parts } = await outbound()
    engine.subscribers = ['slow']
    const texts = Array.from({ length: 450 }, (_, index) => String(index))
    const stored = texts.map((text) => message(text))
    await append(...stored)
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: stored[0]?.id ?? '' })
    for (let count = 0; count < 3; count++) engine.listener({ type: 'peer:room', peerId: 'slow' })
    await parts.send([])
    expect([engine.feeds, engine.fed.length, engine.settled]).toEqual([1, 200, []])
    await pass(0)
    await pass(0)
    expect([engine.feeds, engine.fed, engine.settled]).toEqual([3, texts, ['slow']])
  })

  test('that is told of twice has one turn', async () => {
    const { engine, append, message, pass } = await outbound()
    const first = message('one')
    await append(first, message('two'))
    engine.room = 1
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    for (let count = 0; count < 3; count++) engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect([engine.feeds, engine.fed]).toEqual([1, ['one']])
  })

  test('holds the sent mark by what it has just missed too', async () => {
    const { engine, append, message, mark, pass } = await outbound()
    engine.subscribers = ['slow']
    const [first, last] = [message('one'), message('three')]
    await append(first, message('two'), last)
    engine.room = 0
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: last.id })
    engine.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(defaultLimits.sentWindowMs - 500)
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    await pass(2_000)
    expect(await mark()).toBe(0)
  })
})

describe('a peer of another implementation that has just been linked', () => {
  const begins = { type: 'peer:begins', peerId: 'new', pauseMs: 10 } as const
  /** As many steps as the tests need: each reads one page. */
  async function passes(pass: (ms: number) => Promise<void>): Promise<void> {
    for (let step = 0; step < 12; step++) await pass(0)
  }

  test('is held at once, and fed what came shortly before, of its topics, once it has room', async () => {
    const { engine, append, message, pass } = await outbound()
    await append(message('long ago'))
    await pass(60_000)
    await append(message('one'), message('of another', { from: someAuthor }))
    engine.subscribers = ['peer', 'new']
    engine.room = 0
    engine.listener(begins)
    expect(engine.held).toEqual(['new'])
    await pass(0)
    engine.room = Number.POSITIVE_INFINITY
    engine.listener({ type: 'peer:room', peerId: 'new' })
    await passes(pass)
    expect(engine.fed).toEqual(['one', 'of another'])
    expect(engine.settled).toEqual(['new'])
  })

  test('is fed from an earlier place that it is known to have missed', async () => {
    const { engine, append, message, pass } = await outbound()
    const first = message('missed')
    await append(first)
    await pass(60_000)
    await append(message('new'))
    engine.subscribers = ['new']
    engine.listener({ type: 'peer:behind', peerId: 'new', since: first.id })
    engine.listener(begins)
    await passes(pass)
    expect(engine.fed).toEqual(['missed', 'new'])
  })

  test('is fed what came before the last page of the log too, page by page', async () => {
    const { engine, append, message, pass } = await outbound()
    const texts = Array.from({ length: 450 }, (_, number) => `${number}`)
    await append(...texts.map((text) => message(text)))
    engine.subscribers = ['new']
    engine.listener(begins)
    await passes(pass)
    expect(engine.fed).toEqual(texts)
  })

  test('does not hold the sent mark before it can be sent to', async () => {
    const { engine, append, message, mark, pass } = await outbound()
    engine.subscribers = ['peer', 'new']
    engine.room = 0
    engine.listener(begins)
    await append(message('one'))
    await pass(defaultLimits.sentWindowMs + 2_000)
    expect(await mark()).toBe(1)
  })

  test('is fed what was fetched too, if it was new a minute ago', async () => {
    const { engine, append, message, pass } = await outbound()
    const seen = (ago: number) => ({ from: someAuthor, firstSeenAt: Date.now() - ago })
    await append(message('of yesterday', seen(86_400_000)), message('missed meanwhile', seen(50_000)), message('live'))
    engine.subscribers = ['new']
    engine.listener(begins)
    await passes(pass)
    expect(engine.fed).toEqual(['missed meanwhile', 'live'])
  })
})
