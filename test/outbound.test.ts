import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { EngineEvent } from '../src/engine/engine.ts'
import { defaultLimits } from '../src/limits.ts'
import type { NewMessage } from '../src/model/message.ts'
import { messageId, sequenceBytes } from '../src/model/signed-message.ts'
import { createOutbound } from '../src/outbound.ts'
import { silentLog } from './fixtures/log.ts'
import { createMemoryDisk, createMemoryStore } from './fixtures/memory-store.ts'
import { someAuthor } from './fixtures/messages.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] }))
afterEach(() => void vi.useRealTimers())

const us = '12D3KooWBhV2jAUWCKRCV2CfkrRQAPfaE9ttLxpcBhZMfEQfMLh2'

/** Outbound on a log in memory, with an engine of the test's. */
async function outbound(disk = createMemoryDisk()) {
  const { log } = createMemoryStore(disk)
  const engine = {
    subscribers: [] as string[],
    sent: [] as string[],
    isBroken: false,
    listener: (_event: EngineEvent) => undefined as unknown,
  }
  const parts = createOutbound(
    { limits: defaultLimits },
    {
      engine: {
        peerId: us,
        async send(messages) {
          if (engine.isBroken) throw new Error('broken')
          if (engine.subscribers.length > 0) engine.sent.push(...messages.map(({ data }) => Buffer.from(data).toString()))
          return messages.map(() => engine.subscribers.length)
        },
        subscribers: async () => engine.subscribers,
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
