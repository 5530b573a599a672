import { describe, expect, onTestFinished, test } from 'vitest'
import { localKey } from '../../src/access/client-key.ts'
import type { Inbound, P2PEngine } from '../../src/engine/engine.ts'
import { Draining, MessageTooLarge, Overloaded, StoreUnavailable } from '../../src/errors.ts'
import type { Identity } from '../../src/identity/identity.ts'
import { createWatchers } from '../../src/lib/watchers.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createHub } from '../../src/log/hub.ts'
import { createIngest } from '../../src/log/ingest.ts'
import { createWriteWatch } from '../../src/log/write-watch.ts'
import { formatCursor, parseCursor } from '../../src/model/cursor.ts'
import { KeyTaken } from '../../src/model/idempotency-key.ts'
import type { StoredMessage } from '../../src/model/message.ts'
import { createMessageSigner, messageId, type SignedMessage, verifyMessage } from '../../src/model/signed-message.ts'
import { directTopic } from '../../src/model/topic.ts'
import type { Verdict } from '../../src/model/verdict.ts'
import { createPublisher } from '../../src/publish/publisher.ts'
import type { LogStore } from '../../src/store/log-store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createTopics } from '../../src/topics/topics.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork, type MemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryDisk, createMemoryStore, type MemoryDisk } from '../fixtures/memory-store.ts'

/** Who joins a topic. */
const someone = { client: 'tok_1', explicit: true }

interface Setup {
  network?: MemoryNetwork
  identity?: Identity
  disk?: MemoryDisk
  limits?: Partial<typeof defaultLimits>
  /** Stands between ingest and the log. */
  wrapLog?: (log: LogStore) => LogStore
  wrapEngine?: (engine: P2PEngine) => P2PEngine
  now?: () => number
  judges?: Parameters<typeof createIngest>[1]['judges']
}

/** The road between an engine and a store, both in memory. */
async function createRoad(setup: Setup = {}) {
  const identity = setup.identity ?? (await createMemoryIdentity())
  const bare = createMemoryEngine({ network: setup.network ?? createMemoryNetwork(), identity })
  const engine = setup.wrapEngine?.(bare) ?? bare
  const store = createMemoryStore(setup.disk)
  const log = setup.wrapLog?.(store.log) ?? store.log
  const limits = { ...defaultLimits, ...setup.limits }
  const hub = createHub({ limits }, { log })
  const topics = createTopics({ limits }, { engine, store, logger: silentLog })
  const metrics = createMetrics()
  const reads = createWatchers<[messages: StoredMessage[]]>()
  const ingest = createIngest(
    { limits },
    {
      engine,
      log,
      tail: { append: hub.append, watchRead: reads.watch },
      writes: createWriteWatch({ store, metrics, logger: silentLog }),
      metrics,
      logger: silentLog,
      now: setup.now ?? Date.now,
      ...(setup.judges && { judges: setup.judges }),
    },
  )
  const publisher = createPublisher({ limits }, { ingest, topics, engine, log, load: { check: () => undefined } })
  await hub.start()
  await topics.start()
  await ingest.start()
  await engine.start()
  onTestFinished(async () => {
    await engine.stop()
    await ingest.stop()
  })
  const { signal } = new AbortController()
  return {
    engine,
    store,
    hub,
    ingest,
    reads,
    publisher,
    async publish(topic: string, text: string) {
      const messages = [{ topic, data: Buffer.from(text) }]
      const { published } = await publisher.enqueue({ client: localKey, messages }, { signal })
      const [item] = (await published).items
      if (item === undefined) throw new Error('nothing was published')
      return item
    },
    async stored() {
      const { messages } = await store.log.read({ after: 0, order: 'asc', limit: 100_000 })
      return messages.map(({ data }) => Buffer.from(data).toString())
    },
    async connect(other: { engine: P2PEngine }) {
      await engine.dial((await other.engine.multiaddrs())[0] ?? '', { source: 'rest', signal })
    },
  }
}

/** A log whose appends wait until they are let go, or fail. */
function gatedLog() {
  const gates: Array<PromiseWithResolvers<void>> = []
  function wrap(log: LogStore): LogStore {
    return {
      ...log,
      async append(messages, keyed) {
        const gate = Promise.withResolvers<void>()
        gates.push(gate)
        await gate.promise
        return await log.append(messages, keyed)
      },
    }
  }
  return { gates, wrap }
}

test('answers a publish with what was stored: signed, numbered, in the log and in the hub', async () => {
  const road = await createRoad()
  const published = await road.publish('orders', 'hello')
  const message = await road.store.log.get(published.id)
  expect(message).toMatchObject({ seq: parseCursor(published.cursor).seq, topic: 'orders', from: road.engine.peerId })
  expect(message && (await verifyMessage(message))).toBe(true)
  expect(published.cursor).toBe(formatCursor(road.hub.epoch, road.hub.tip))
  expect(published.recipients).toBe(0)
})

test('names a stored message by the epoch of the log that stores it, also when another log takes its place before the answer', async () => {
  const disk = createMemoryDisk()
  const road = await createRoad({
    disk,
    wrapLog: (log) => ({
      ...log,
      async append(messages, keyed) {
        const result = await log.append(messages, keyed)
        disk.epoch = 'restored'
        return result
      },
    }),
  })
  expect((await road.publish('orders', 'hello')).cursor).toBe('memory.1')
})

test('carries a message from one road to another, once, and counts its recipient', async () => {
  const network = createMemoryNetwork()
  const [a, b] = [await createRoad({ network }), await createRoad({ network })]
  await b.engine.subscribe('orders')
  await a.connect(b)
  const published = await a.publish('orders', 'hello')
  expect(published.recipients).toBe(1)
  await expect.poll(() => b.stored()).toEqual(['hello'])
  const [message] = await b.engine.sign([{ topic: 'orders', data: Buffer.from('reply') }])
  if (message === undefined) throw new Error('not signed')
  expect(await b.engine.send([message])).toEqual([1])
  expect(await b.engine.send([message])).toEqual([1])
  await expect.poll(() => a.stored()).toEqual(['hello', 'reply'])
})

test('stores everything published at once, in the order of the calls, in few transactions', async () => {
  const gated = gatedLog()
  const road = await createRoad({ wrapLog: gated.wrap })
  await road.store.topics.join('orders', 1_000, someone)
  const texts = Array.from({ length: 300 }, (_, index) => `message ${index}`)
  const published = Promise.all(texts.map((text) => road.publish('orders', text)))
  for (let opened = 0; opened < 3; opened++) {
    await expect.poll(() => gated.gates.length).toBeGreaterThanOrEqual(Math.min(opened + 1, 2))
    for (const gate of gated.gates) gate.resolve()
  }
  const seqs = (await published).map(({ cursor }) => parseCursor(cursor).seq)
  expect(await road.stored()).toEqual(texts)
  expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
  expect(gated.gates.length).toBeLessThan(10)
})

test('maxBatchMessages: a transaction has no more messages than that', async () => {
  const sizes: number[] = []
  const wrapLog = (log: LogStore): LogStore => ({
    ...log,
    append(messages, ...more) {
      sizes.push(messages.length)
      return log.append(messages, ...more)
    },
  })
  const road = await createRoad({ wrapLog, limits: { maxBatchMessages: 7 } })
  await road.store.topics.join('orders', 1_000, someone)
  await Promise.all(Array.from({ length: 50 }, (_, index) => road.publish('orders', `message ${index}`)))
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(50)
  expect(Math.max(...sizes)).toBe(7)
})

test('lets nothing leave that was not stored', async () => {
  const network = createMemoryNetwork()
  const gated = gatedLog()
  const [a, b] = [await createRoad({ network, wrapLog: gated.wrap }), await createRoad({ network })]
  await b.engine.subscribe('orders')
  await a.connect(b)
  const refused = a.publish('orders', 'lost')
  await expect.poll(() => gated.gates.length).toBe(1)
  gated.gates[0]?.reject(new StoreUnavailable('no disk'))
  await expect(refused).rejects.toThrow(StoreUnavailable)
  const kept = a.publish('orders', 'kept')
  await expect.poll(() => gated.gates.length).toBe(2)
  gated.gates[1]?.resolve()
  await kept
  await expect.poll(() => b.stored()).toEqual(['kept'])
})

test('forwards a message of another only once it is stored', async () => {
  const network = createMemoryNetwork()
  const gated = gatedLog()
  const [a, b, c] = [await createRoad({ network }), await createRoad({ network, wrapLog: gated.wrap }), await createRoad({ network })]
  await b.engine.subscribe('orders')
  await c.engine.subscribe('orders')
  await a.connect(b)
  await b.connect(c)
  await a.publish('orders', 'hello')
  await expect.poll(() => gated.gates.length).toBe(1)
  expect(await c.stored()).toEqual([])
  gated.gates[0]?.resolve()
  await expect.poll(() => c.stored()).toEqual(['hello'])
})

test('refuses a message over the limit', async () => {
  const road = await createRoad({ limits: { maxMessageBytes: 10 } })
  await road.publish('orders', '0123456789')
  await expect(road.publish('orders', '0123456789a')).rejects.toThrow(MessageTooLarge)
  expect(await road.stored()).toHaveLength(1)
})

test.each([
  ['count', { maxInboxMessages: 5 }],
  ['bytes', { maxInboxBytes: 50 }],
])('refuses what does not fit into the inbox by %s, and takes it again later', async (_, limits) => {
  const gated = gatedLog()
  const road = await createRoad({ wrapLog: gated.wrap, limits })
  const first = road.publish('orders', '0123456789')
  await expect.poll(() => gated.gates.length).toBe(1)
  const waiting = Promise.all(Array.from({ length: 5 }, () => road.publish('orders', '0123456789')))
  await expect(road.publish('orders', '0123456789')).rejects.toThrow(Overloaded)
  expect(() => road.ingest.checkRoom(localKey)).toThrow(Overloaded)
  gated.gates[0]?.resolve()
  await first
  await expect.poll(() => gated.gates.length).toBe(2)
  gated.gates[1]?.resolve()
  await waiting
  road.ingest.checkRoom(localKey)
  const last = road.publish('orders', '0123456789')
  await expect.poll(() => gated.gates.length).toBe(3)
  gated.gates[2]?.resolve()
  await last
  expect(await road.stored()).toHaveLength(7)
})

test('finishes what was taken in when it stops, and refuses what comes then', async () => {
  const gated = gatedLog()
  const road = await createRoad({ wrapLog: gated.wrap })
  const taken = road.publish('orders', 'taken')
  await expect.poll(() => gated.gates.length).toBe(1)
  const stopped = road.ingest.stop()
  await expect(road.publish('orders', 'late')).rejects.toThrow(Draining)
  gated.gates[0]?.resolve()
  await taken
  await stopped
  expect(await road.stored()).toEqual(['taken'])
})

test('a message that nobody could be handed goes to the first who joins the topic', async () => {
  const network = createMemoryNetwork()
  const [a, b] = [await createRoad({ network }), await createRoad({ network })]
  await a.connect(b)
  expect((await a.publish('orders', 'early')).recipients).toBe(0)
  expect((await a.publish('orders', 'early too')).recipients).toBe(0)
  await b.engine.subscribe('orders')
  await expect.poll(() => b.stored()).toEqual(['early', 'early too'])
  expect((await a.publish('orders', 'late')).recipients).toBe(1)
  await expect.poll(() => b.stored()).toEqual(['early', 'early too', 'late'])
})

test('what was stored and not sent when the process died is sent after the next start', async () => {
  const network = createMemoryNetwork()
  const [disk, identity] = [createMemoryDisk(), await createMemoryIdentity()]
  // The engine takes the message and dies with it in a buffer.
  const swallow = (engine: P2PEngine): P2PEngine => ({ ...engine, send: async (messages) => messages.map(() => 1) })
  const dying = await createRoad({ network, identity, disk, wrapEngine: swallow })
  expect((await dying.publish('orders', 'in a buffer')).recipients).toBe(1)
  await dying.engine.stop()

  const b = await createRoad({ network })
  await b.engine.subscribe('orders')
  const again = await createRoad({ network, identity, disk })
  await again.connect(b)
  await expect.poll(() => b.stored()).toEqual(['in a buffer'])
})

test('gives up on a message that found nobody for longer than the window', async () => {
  const network = createMemoryNetwork()
  let clock = 1_000_000
  const [a, b] = [await createRoad({ network, now: () => clock }), await createRoad({ network })]
  await a.connect(b)
  await a.publish('orders', 'too early')
  clock += defaultLimits.unsentWindowMs + 1
  await a.publish('orders', 'in time')
  await b.engine.subscribe('orders')
  await expect.poll(() => b.stored()).toEqual(['in time'])
})

test('a second message under an id that history has brought is neither stored nor passed on', async () => {
  const network = createMemoryNetwork()
  const road = await createRoad({ network })
  await road.engine.subscribe('orders')
  const author = await createMemoryIdentity()
  const signer = createMessageSigner(author.peerId, author.seed)
  const [first, second] = ['first', 'second'].map((text) => signer.sign(7n, 'orders', Buffer.from(text)))
  if (first === undefined || second === undefined) throw new Error('nothing was signed')
  expect(await road.ingest.takePast([{ message: first, firstSeenAt: Date.now() - 1_000 }])).toEqual({ stored: 1, known: 0, refused: 0 })
  const [neighbour, behind] = [await createRoad({ network }), await createRoad({ network })]
  await behind.engine.subscribe('orders')
  await road.connect(behind)
  await road.connect(neighbour)
  await neighbour.engine.send([second])
  // The true one, which the network may not have seen yet, is passed on.
  await neighbour.engine.send([signer.sign(8n, 'orders', Buffer.from('next'))])
  await expect.poll(() => behind.stored()).toEqual(['next'])
  expect(await road.stored()).toEqual(['first', 'next'])
})

/** An author who is nobody's peer. */
async function author() {
  const { peerId, seed } = await createMemoryIdentity()
  const signer = createMessageSigner(peerId, seed)
  let sequence = 0n
  return {
    peerId,
    sign: (text: string, topic = 'orders') => signer.sign(++sequence, topic, Buffer.from(text)),
    direct(text: string) {
      const message = signer.sign(++sequence, directTopic, Buffer.from(text))
      return { ...message, id: messageId(message.from, message.sequence), to: peerId, receivedAt: Date.now() }
    },
  }
}

/** A road that hears what its engine brings without an engine in between. */
async function hearing(setup: Setup = {}) {
  let inbound: Inbound | undefined
  const road = await createRoad({
    ...setup,
    wrapEngine: (engine) => ({
      ...engine,
      receive(handler) {
        inbound = handler
        engine.receive(handler)
      },
    }),
  })
  return {
    ...road,
    /** Whether the engine is to read more of the author. */
    hasRoom: (peerId: string) => inbound?.room?.(peerId) === undefined,
    async hear(message: SignedMessage) {
      if (inbound === undefined) throw new Error('nobody hears')
      return await inbound.onMessage(message)
    },
  }
}

describe('direct messages', () => {
  test('are acknowledged once they are stored, and not before', async () => {
    const gated = gatedLog()
    const road = await createRoad({ wrapLog: gated.wrap })
    const { direct } = await author()
    let isAnswered = false
    const answer = road.ingest.takeDirect([direct('one'), direct('two')]).finally(() => {
      isAnswered = true
    })
    await expect.poll(() => gated.gates.length).toBe(1)
    expect(isAnswered).toBe(false)
    gated.gates[0]?.resolve()
    expect(await answer).toMatchObject([{ known: false }, { known: false }])
    expect(await road.stored()).toEqual(['one', 'two'])
  })

  test('that the store refused are not acknowledged', async () => {
    const gated = gatedLog()
    const road = await createRoad({ wrapLog: gated.wrap })
    const { direct } = await author()
    const message = direct('refused')
    const answer = road.ingest.takeDirect([message])
    await expect.poll(() => gated.gates.length).toBe(1)
    gated.gates[0]?.reject(new StoreUnavailable('no disk'))
    expect(await answer).toBeUndefined()
    const again = road.ingest.takeDirect([message])
    await expect.poll(() => gated.gates.length).toBe(2)
    gated.gates[1]?.resolve()
    expect(await again).toMatchObject([{ known: false }])
    const repeated = road.ingest.takeDirect([message])
    await expect.poll(() => gated.gates.length).toBe(3)
    gated.gates[2]?.resolve()
    expect(await repeated).toMatchObject([{ known: true }])
    expect(await road.stored()).toEqual(['refused'])
  })

  test('that find no room, or come after the end, are not acknowledged, nor stored', async () => {
    const gated = gatedLog()
    const road = await createRoad({ wrapLog: gated.wrap, limits: { maxInboxMessages: 4 } })
    const { direct } = await author()
    const first = road.ingest.takeDirect([direct('a')])
    await expect.poll(() => gated.gates.length).toBe(1)
    const second = road.ingest.takeDirect([direct('b'), direct('c'), direct('d')])
    expect(await road.ingest.takeDirect([direct('no room'), direct('no room')])).toBeUndefined()
    for (let opened = 0; opened < 2; opened++) {
      await expect.poll(() => gated.gates.length).toBe(opened + 1)
      gated.gates[opened]?.resolve()
    }
    expect([await first, await second]).toMatchObject([[{ known: false }], [{ known: false }, { known: false }, { known: false }]])
    await road.ingest.stop()
    expect(await road.ingest.takeDirect([direct('late')])).toBeUndefined()
    expect(await road.stored()).toEqual(['a', 'b', 'c', 'd'])
  })
})

describe('a message of the network', () => {
  test('is forwarded when it is new, and neither when this gateway has it nor when another has it under its id', async () => {
    const road = await hearing()
    const { sign } = await author()
    const message = sign('one')
    expect(await road.hear(message)).toBe('accept')
    expect(await road.hear(message)).toBe('ignore')
    expect(await road.hear({ ...message, signature: new Uint8Array(64) })).toBe('ignore')
  })

  test('that another gateway of the database has just stored is forwarded, and one that it has had for long is not', async () => {
    const disk = createMemoryDisk()
    let now = 1_800_000_000_000
    const road = await hearing({ disk, now: () => now })
    const { sign } = await author()
    const elsewhere = async (text: string, receivedAt: number) => {
      const message = sign(text)
      await createMemoryStore(disk).log.append([{ ...message, id: messageId(message.from, message.sequence), receivedAt }])
      return message
    }
    const [before, fresh] = [await elsewhere('before the start', now - 1), await elsewhere('fresh', now + 1_000)]
    now += 2_000
    expect([await road.hear(before), await road.hear(fresh)]).toEqual(['ignore', 'accept'])
    now += 3_600_000
    const old = await elsewhere('an hour old', now - 3_000_000)
    expect(await road.hear(old)).toBe('ignore')
  })

  test('over the limit, or from an author who has sent enough, is ignored; what was known costs nothing, and after an hour there is more', async () => {
    let now = 1_800_000_000_000
    const road = await hearing({ limits: { maxMessageBytes: 10, maxAuthorBytesPerHour: 20 }, now: () => now })
    const { sign } = await author()
    expect(await road.hear(sign('0123456789a'))).toBe('ignore')
    const first = sign('0123456789')
    expect(await road.hear(first)).toBe('accept')
    for (let count = 0; count < 3; count++) expect(await road.hear(first)).toBe('ignore')
    expect(await road.hear(sign('0123456789'))).toBe('accept')
    expect(await road.hear(sign('x'))).toBe('ignore')
    expect(await road.hear(sign('x', 'another topic'))).toBe('accept')
    now += 3_600_000
    expect(await road.hear(sign('x'))).toBe('accept')
    expect(await road.stored()).toEqual(['0123456789', '0123456789', 'x', 'x'])
  })

  test('that was judged while the inbox filled up is ignored, costs its author nothing, and is taken when it comes again', async () => {
    const gated = gatedLog()
    const verdict = Promise.withResolvers<void>()
    let asked = 0
    const judges = {
      async judge() {
        if (asked++ === 0) await verdict.promise
        return { verdict: 'accept', given: true } as const
      },
    }
    const limits = { maxInboxMessages: 1, maxAuthorBytesPerHour: 10, validateTimeoutMs: 50 }
    const road = await hearing({ wrapLog: gated.wrap, limits, judges })
    const { sign } = await author()
    const message = sign('0123456789')
    const judged = road.hear(message)
    await expect.poll(() => asked).toBe(1)
    const [one, other] = [road.publish('orders', 'taken'), (await author()).sign('waits')]
    await expect.poll(() => gated.gates.length).toBe(1)
    const waiting = road.hear(other)
    await expect.poll(() => road.ingest.backlog.messages).toBe(1)
    verdict.resolve()
    expect(await judged).toBe('ignore')
    expect(await road.hear(message)).toBe('ignore')
    gated.gates[0]?.resolve()
    await one
    await expect.poll(() => gated.gates.length).toBe(2)
    gated.gates[1]?.resolve()
    expect(await waiting).toBe('accept')
    const again = road.hear(message)
    await expect.poll(() => gated.gates.length).toBe(3)
    gated.gates[2]?.resolve()
    expect(await again).toBe('accept')
  })

  test('that finds no room waits for it, and meanwhile the engine is told that there is none', async () => {
    const gated = gatedLog()
    const road = await hearing({ wrapLog: gated.wrap, limits: { maxInboxMessages: 1 } })
    const { sign, peerId } = await author()
    expect(road.hasRoom(peerId)).toBe(true)
    const heard: Array<Promise<Verdict>> = []
    for (const [index, text] of ['taken', 'in the inbox', 'waits'].entries()) {
      heard.push(road.hear(sign(text)))
      await expect.poll(() => [gated.gates.length, road.ingest.backlog.messages]).toEqual([1, Math.min(index, 1)])
    }
    expect(road.hasRoom(peerId)).toBe(false)
    for (let opened = 0; opened < 3; opened++) {
      await expect.poll(() => gated.gates.length).toBe(opened + 1)
      gated.gates[opened]?.resolve()
    }
    expect(await Promise.all(heard)).toEqual(['accept', 'accept', 'accept'])
    expect(road.hasRoom(peerId)).toBe(true)
    expect(await road.stored()).toEqual(['taken', 'in the inbox', 'waits'])
  })

  test('that a client has refused is not judged again; one that nobody judged in time is, and costs its author nothing', async () => {
    const asked: string[] = []
    const judges = {
      async judge({ data }: SignedMessage) {
        asked.push(Buffer.from(data).toString())
        return { verdict: 'ignore', given: Buffer.from(data).toString() === 'refused' } as const
      },
    }
    const disk = createMemoryDisk()
    const road = await hearing({ judges, disk, limits: { maxAuthorBytesPerHour: 'refused'.length + 'late'.length } })
    const { sign } = await author()
    const [refused, late] = [sign('refused'), sign('late')]
    for (let count = 0; count < 2; count++) for (const each of [refused, late]) expect(await road.hear(each)).toBe('ignore')
    expect(asked).toEqual(['refused', 'late', 'late'])
    await road.ingest.stop()
    expect([...disk.seen.keys()]).toEqual([messageId(refused.from, refused.sequence)])
  })
})

describe('messages of the past', () => {
  const past = (message: SignedMessage) => ({ message, firstSeenAt: Date.now() - 1_000 })

  test('are judged, counted against their authors unless they are known, and refused whole where the store refuses', async () => {
    const gated = gatedLog()
    const judges = {
      judge: async ({ data }: SignedMessage) =>
        ({ verdict: Buffer.from(data).toString() === 'bad' ? 'reject' : 'accept', given: true }) as const,
    }
    const road = await createRoad({ wrapLog: gated.wrap, judges, limits: { maxAuthorBytesPerHour: 12 } })
    const { sign } = await author()
    const [good, bad] = [sign('good'), sign('bad')]
    const failed = road.ingest.takePast([past(good), past(bad)])
    await expect.poll(() => gated.gates.length).toBe(1)
    gated.gates[0]?.reject(new StoreUnavailable('no disk'))
    expect(await failed).toBeUndefined()
    const outcomes = []
    for (let opened = 1; opened < 4; opened++) {
      const taking = road.ingest.takePast([past(good)])
      await expect.poll(() => gated.gates.length).toBe(opened + 1)
      gated.gates[opened]?.resolve()
      outcomes.push(await taking)
    }
    expect(outcomes).toEqual([
      { stored: 1, known: 0, refused: 0 },
      { stored: 0, known: 1, refused: 0 },
      { stored: 0, known: 1, refused: 0 },
    ])
    expect(await road.ingest.takePast([past(bad)])).toEqual({ stored: 0, known: 0, refused: 1 })
    expect(await road.stored()).toEqual(['good'])
  })

  test('for which there is no room are not taken, and cost nothing', async () => {
    const gated = gatedLog()
    const road = await createRoad({ wrapLog: gated.wrap, limits: { maxInboxMessages: 1, maxAuthorBytesPerHour: 1 } })
    const first = road.publish('orders', 'one')
    await expect.poll(() => gated.gates.length).toBe(1)
    const waiting = road.publish('orders', 'two')
    await expect.poll(() => road.ingest.backlog.messages).toBe(1)
    const { sign } = await author()
    const message = sign('x')
    expect(await road.ingest.takePast([past(message)])).toBeUndefined()
    gated.gates[0]?.resolve()
    await expect.poll(() => gated.gates.length).toBe(2)
    gated.gates[1]?.resolve()
    await first
    await waiting
    const taking = road.ingest.takePast([past(message)])
    await expect.poll(() => gated.gates.length).toBe(3)
    gated.gates[2]?.resolve()
    expect(await taking).toEqual({ stored: 1, known: 0, refused: 0 })
  })
})

test('what was refused because its commit was not heard of is handed over once it is found in the log', async () => {
  const network = createMemoryNetwork()
  let isLost = true
  const deaf = (log: LogStore): LogStore => ({
    ...log,
    async append(messages, keyed) {
      const result = await log.append(messages, keyed)
      if (!isLost) return result
      isLost = false
      throw new StoreUnavailable('the connection broke')
    },
  })
  const sent: string[] = []
  const listening = (engine: P2PEngine): P2PEngine => ({
    ...engine,
    async send(messages) {
      sent.push(...messages.map(({ data }) => Buffer.from(data).toString()))
      return await engine.send(messages)
    },
  })
  const [a, b] = [await createRoad({ network, wrapLog: deaf, wrapEngine: listening }), await createRoad({ network })]
  await b.engine.subscribe('orders')
  await a.connect(b)
  await expect(a.publish('orders', 'uncertain')).rejects.toThrow(StoreUnavailable)
  expect(sent).toEqual([])
  const { messages } = await a.store.log.read({ after: 0, order: 'asc', limit: 10 })
  for (let count = 0; count < 2; count++) await a.reads.tell(messages)
  await expect.poll(() => b.stored()).toEqual(['uncertain'])
  expect(sent).toEqual(['uncertain'])
})

test('a stop waits until what was taken in is stored and answered', async () => {
  const gated = gatedLog()
  const road = await createRoad({ wrapLog: gated.wrap })
  const events: string[] = []
  const published = road.publish('orders', 'taken').then(() => events.push('published'))
  await expect.poll(() => gated.gates.length).toBe(1)
  const stopped = road.ingest.stop().then(() => events.push('stopped'))
  await expect(road.publish('orders', 'late')).rejects.toThrow(Draining)
  expect(events).toEqual([])
  gated.gates[0]?.resolve()
  await Promise.all([published, stopped])
  expect(events).toEqual(['published', 'stopped'])
})

test('what comes under an idempotency key that has published is refused by name, and stored once', async () => {
  const road = await createRoad()
  const publish = (text: string) => {
    const messages = [{ topic: 'orders', data: Buffer.from(text) }]
    return road.ingest.publish(messages, { client: localKey, key: { key: 'one', fingerprint: Buffer.from(text) } }).published
  }
  expect(await publish('first')).toHaveLength(1)
  await expect(publish('second')).rejects.toThrow(KeyTaken)
  expect(await road.stored()).toEqual(['first'])
})
