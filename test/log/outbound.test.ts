import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { EngineEvent } from '../../src/engine/engine.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createOutbound } from '../../src/log/outbound.ts'
import type { NewMessage } from '../../src/model/message.ts'
import { messageId, sequenceBytes } from '../../src/model/signed-message.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { someAuthor } from '../fixtures/messages.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] }))
afterEach(() => void vi.useRealTimers())

const us = '12D3KooWBhV2jAUWCKRCV2CfkrRQAPfaE9ttLxpcBhZMfEQfMLh2'

/** Outbound on a log in memory, with an engine of the test's. */
async function outbound(disk = createMemoryDisk()) {
  const { log } = createMemoryStore(disk)
  const { read } = log
  let rows = 0
  log.read = async (query) => {
    const step = await read.call(log, query)
    rows += step.messages.length
    return step
  }
  const engine = {
    subscribers: [] as string[],
    sent: [] as string[],
    isBroken: false,
    /** How many peers take a message; all subscribers when it is not said. */
    takes: undefined as number | undefined,
    /** Messages that a straggler has room for, and what it was fed. */
    room: Number.POSITIVE_INFINITY,
    fed: [] as string[],
    /** How often it was fed. */
    feeds: 0,
    settled: [] as string[],
    /** Ids of what was handed over and has not left. */
    unsent: [] as string[],
    /** What is kept from a straggler before it has settled. */
    onSettle: undefined as (() => Promise<void>) | undefined,
    listener: (_event: EngineEvent) => undefined as unknown,
    /** Called once while it sends. */
    onSend: undefined as (() => void) | undefined,
    /** Called once while it feeds a straggler. */
    onFeed: undefined as (() => void) | undefined,
    /** Called once when it is asked for subscribers. */
    onSubscribers: undefined as (() => void) | undefined,
  }
  const parts = createOutbound(
    { limits: defaultLimits },
    {
      engine: {
        peerId: us,
        async send(messages) {
          if (engine.isBroken) throw new Error('broken')
          const takes = engine.takes ?? engine.subscribers.length
          const { onSend } = engine
          engine.onSend = undefined
          onSend?.()
          if (takes > 0) engine.sent.push(...messages.map(({ data }) => Buffer.from(data).toString()))
          return messages.map(() => takes)
        },
        stragglers: {
          hasRoom: () => engine.room > 0,
          async send(_peerId, messages) {
            engine.feeds++
            const { onFeed } = engine
            engine.onFeed = undefined
            onFeed?.()
            const taken = messages.slice(0, engine.room)
            engine.room -= taken.length
            engine.fed.push(...taken.map(({ data }) => Buffer.from(data).toString()))
            return taken.length
          },
          settle(peerId) {
            const { onSettle } = engine
            engine.onSettle = undefined
            if (onSettle === undefined) engine.settled.push(peerId)
            else void onSettle()
            return onSettle === undefined
          },
          unsent: () => engine.unsent,
        },
        async subscribers() {
          const { onSubscribers } = engine
          engine.onSubscribers = undefined
          onSubscribers?.()
          return engine.subscribers
        },
        listen(listener) {
          engine.listener = listener
          return () => undefined
        },
      },
      log,
      logger: silentLog,
    },
  )
  await parts.start()
  let sequence = 0n
  const message = (text: string, more: Partial<NewMessage> = {}): NewMessage => {
    const from = more.from ?? us
    const bytes = sequenceBytes(BigInt(Date.now()) * 1_000n + sequence++)
    const base = { from, sequence: bytes, topic: 'orders', data: Buffer.from(text), signature: new Uint8Array(64), receivedAt: Date.now() }
    return { ...base, id: messageId(from, bytes), ...more }
  }
  return {
    engine,
    parts,
    message,
    /** How many messages were read from the log. */
    get rows() {
      return rows
    },
    /** Has the next search for messages fail. */
    failToFind() {
      const { find } = log
      log.find = async () => {
        log.find = find
        throw new Error('away')
      }
    },
    mark: () => log.sentThrough(us),
    /** Appends messages and hands them over, as ingest does. */
    async append(...messages: NewMessage[]) {
      const { entries } = await log.append(messages)
      return await parts.send(entries.flatMap(({ message: stored }) => stored ?? []))
    },
    async pass(ms: number) {
      await vi.advanceTimersByTimeAsync(ms)
      // What a tick has begun.
      await parts.send([])
    },
  }
}

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
