import { expect, test } from 'vitest'
import { localKey } from '../../src/access/client-key.ts'
import type { P2PEngine } from '../../src/engine/engine.ts'
import { Draining, MessageTooLarge, Overloaded, StoreUnavailable } from '../../src/errors.ts'
import { defaultLimits } from '../../src/limits.ts'
import { formatCursor, parseCursor } from '../../src/model/cursor.ts'
import { KeyTaken } from '../../src/model/idempotency-key.ts'
import { createMessageSigner, verifyMessage } from '../../src/model/signed-message.ts'
import type { LogStore } from '../../src/store/log-store.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryDisk } from '../fixtures/memory-store.ts'
import { createRoad, gatedLog, someone } from './road-for-test.ts'

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
  const openAll = async () => {
    for (const gate of gated.gates) gate.resolve()
    return (await road.stored()).length
  }
  await expect.poll(openAll).toBe(texts.length)
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
  const swallow = sendingBy(() => async (messages) => messages.map(() => 1))
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
  const listening = sendingBy(({ send }) => async (messages) => {
    sent.push(...messages.map(({ data }) => Buffer.from(data).toString()))
    return await send(messages)
  })
  const [a, b] = [await createRoad({ network, wrapLog: deaf, wrapEngine: listening }), await createRoad({ network })]
  await b.engine.subscribe('orders')
  await a.connect(b)
  await expect(a.publish('orders', 'uncertain')).rejects.toThrow(StoreUnavailable)
  expect(sent).toEqual([])
  const { messages } = await a.store.log.read({ after: 0, order: 'asc', limit: 10 })
  for (let count = 0; count < 2; count++) a.reads.tell(messages)
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

/** Engines that send in a way of the test's own. */
function sendingBy(sendOf: (engine: P2PEngine) => P2PEngine['send']) {
  return (engine: P2PEngine): P2PEngine => {
    const send = sendOf(engine)
    return { ...engine, send, networks: engine.networks.map((network) => ({ ...network, send })) }
  }
}
