import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createMemoryDisk } from '../fixtures/memory-store.ts'
import { someAuthor } from '../fixtures/messages.ts'
import { outbound } from './outbound-for-test.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] }))
afterEach(() => void vi.useRealTimers())

test('the sent mark stays behind what was handed over for as long as it may die in a buffer', async () => {
  const { engine, append, message, mark, pass } = await outbound()
  engine.subscribers = ['peer']
  await append(message('one'))
  await pass(defaultLimits.sentWindowMs - 1_000)
  expect(await mark()).toBe(0)
  await pass(3_000)
  expect(await mark()).toBe(1)
})

test('the sent mark stays behind what was handed over and has not left yet, however long ago', async () => {
  const { engine, append, message, mark, pass } = await outbound()
  engine.subscribers = ['peer']
  const second = message('two')
  await append(message('one'), second, message('three'))
  engine.unsent = [second.id]
  await pass(defaultLimits.sentWindowMs + 2_000)
  expect(await mark()).toBe(1)
  engine.unsent = [second.id, 'of a message that is not there any more']
  await append(message('four'))
  await pass(defaultLimits.sentWindowMs + 2_000)
  expect(await mark()).toBe(1)
  engine.unsent = []
  await pass(1_000)
  expect(await mark()).toBe(4)
})

test('what was handed over within the window is sent again by the next start, and what is older is not', async () => {
  const disk = createMemoryDisk()
  const first = await outbound(disk)
  first.engine.subscribers = ['peer']
  await first.append(first.message('settled'))
  await first.pass(defaultLimits.sentWindowMs + 2_000)
  await first.append(first.message('in a buffer'))
  await first.pass(1_000)
  await first.parts.stop()
  const second = await outbound(disk)
  second.engine.subscribers = ['peer']
  second.engine.listener({ type: 'topic:subscribe', peerId: 'peer', topic: 'orders' })
  await second.pass(0)
  expect(second.engine.sent).toEqual(['in a buffer'])
})

test('the sent mark does not pass what waits for a subscriber', async () => {
  const { engine, append, message, mark, pass, parts } = await outbound()
  await append(message('nobody there'), message('of another', { from: someAuthor }))
  await pass(defaultLimits.sentWindowMs + 2_000)
  expect(await mark()).toBe(0)
  expect(parts.waiting).toBe(1)
  engine.subscribers = ['peer']
  await pass(2_000)
  expect(engine.sent).toEqual(['nobody there'])
  expect(await mark()).toBe(2)
  expect(parts.waiting).toBe(0)
})

test('what waits leaves before what is new', async () => {
  const { engine, append, message } = await outbound()
  await append(message('first'))
  engine.subscribers = ['peer']
  await append(message('second'))
  expect(engine.sent).toEqual(['first', 'second'])
})

test('what is new does not overtake what waits when the first subscriber comes just before it is sent', async () => {
  const { engine, append, message, pass } = await outbound()
  await append(message('first'))
  engine.onSubscribers = () =>
    queueMicrotask(() => {
      engine.subscribers = ['peer']
      engine.listener({ type: 'topic:subscribe', peerId: 'peer', topic: 'orders' })
    })
  expect([...(await append(message('second')))]).toEqual([[2, 0]])
  await pass(0)
  expect(engine.sent).toEqual(['first', 'second'])
})

test('nothing but our own messages to topics is handed over', async () => {
  const { engine, append, message } = await outbound()
  engine.subscribers = ['peer']
  const recipients = await append(
    message('of another', { from: someAuthor }),
    message('direct', { topic: '' }),
    message('given back by a peer', { firstSeenAt: Date.now() - 1_000 }),
    message('ours'),
  )
  expect(engine.sent).toEqual(['ours'])
  expect([...recipients]).toEqual([[4, 1]])
})

test('what an engine could not send waits, and is sent later', async () => {
  const { engine, append, message, pass } = await outbound()
  engine.subscribers = ['peer']
  engine.isBroken = true
  expect([...(await append(message('kept')))]).toEqual([[1, 0]])
  await pass(2_000)
  engine.isBroken = false
  await pass(2_000)
  expect(engine.sent).toEqual(['kept'])
})

test('what is new waits with what cannot be read, and both leave in order', async () => {
  const { engine, append, message, pass, failToRead } = await outbound()
  await append(message('first'))
  engine.subscribers = ['peer']
  failToRead()
  expect([...(await append(message('second')))]).toEqual([[2, 0]])
  await pass(1_000)
  expect(engine.sent).toEqual(['first', 'second'])
})

test('a subscriber that comes while something is sent is sent it too', async () => {
  const { engine, append, message, pass } = await outbound()
  engine.onSend = () => {
    engine.subscribers = ['peer']
    engine.listener({ type: 'topic:subscribe', peerId: 'peer', topic: 'orders' })
  }
  await append(message('one'))
  await pass(1_000)
  expect(engine.sent).toEqual(['one'])
})

test('what waits goes on to wait when the subscriber leaves while it is sent', async () => {
  const { engine, append, message, parts, pass } = await outbound()
  const texts = Array.from({ length: 2 * defaultLimits.maxReadMessages }, (_, index) => String(index))
  for (const text of texts) await append(message(text))
  engine.subscribers = ['peer']
  engine.onSend = () => {
    engine.onSubscribers = () => {
      engine.subscribers = []
    }
  }
  engine.listener({ type: 'topic:subscribe', peerId: 'peer', topic: 'orders' })
  await pass(0)
  expect([engine.sent.length, parts.waiting]).toEqual([defaultLimits.maxReadMessages, 1])
  engine.subscribers = ['next']
  await pass(1_000)
  expect(engine.sent).toEqual(texts)
})

test('what waited longer than the window is given up, and the mark goes on', async () => {
  const { engine, append, message, mark, pass, parts } = await outbound()
  await append(message('too old'))
  await pass(defaultLimits.unsentWindowMs + 2_000)
  expect(parts.waiting).toBe(0)
  await pass(2_000)
  expect(await mark()).toBe(1)
  engine.subscribers = ['peer']
  await append(message('new'))
  expect(engine.sent).toEqual(['new'])
})

test('what waits is not read again before the oldest of it is too old', async () => {
  const base = await outbound()
  const { append, message, mark, pass, parts } = base
  await append(...Array.from({ length: 50 }, (_, index) => message(String(index))))
  const before = base.rows
  for (let second = 0; second < 20; second++) await pass(1_000)
  expect(base.rows - before).toBeLessThanOrEqual(10)
  await pass(defaultLimits.unsentWindowMs)
  await pass(2_000)
  expect(parts.waiting).toBe(0)
  expect(await mark()).toBe(50)
})
