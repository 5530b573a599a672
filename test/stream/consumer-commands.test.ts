import { expect, test } from 'vitest'
import type { Settlement } from '../../src/consumers/settlements.ts'
import type { Worker } from '../../src/consumers/workers.ts'
import { ConsumerNotFound, Forbidden, InvalidRequest, SubscriptionLimit } from '../../src/errors.ts'
import { defaultLimits } from '../../src/limits.ts'
import type { TokenAction } from '../../src/model/action.ts'
import { consumerDefaults } from '../../src/model/consumer.ts'
import type { Grant } from '../../src/model/grant.ts'
import { topicFilter } from '../../src/model/topic.ts'
import type { ConsumerRecord } from '../../src/store/consumer-store.ts'
import type { Client } from '../../src/stream/client.ts'
import { createConsumerCommands } from '../../src/stream/consumer-commands.ts'
import { createInterests } from '../../src/stream/interest.ts'
import type { ServerFrame } from '../../src/stream/server-frames.ts'
import type { Subscription } from '../../src/stream/subscription.ts'
import { storedMessage } from '../fixtures/messages.ts'

const consumer: ConsumerRecord = {
  ...{ name: 'c', client: 'tok_1', createdAt: 1, position: 7, prunedSince: 0, gaps: 0, lastGap: null },
  settings: { topics: ['orders', 'orders.>'], direct: false, order: 'none', ...consumerDefaults },
}

/** Commands of a gateway with one consumer, whose workers, joined topics and reads of the database are seen. */
function setUp(limits: Partial<typeof defaultLimits> = {}, known?: ConsumerRecord) {
  const read: string[] = []
  const settlements: Settlement[] = []
  const joined: string[] = []
  const workers = new Set<Worker>()
  const woken: Worker[] = []
  const topics = {
    async use(topic: string) {
      joined.push(topic)
      return { [Symbol.dispose]: () => void joined.splice(joined.indexOf(topic), 1) }
    },
  }
  const commands = createConsumerCommands({
    consumers: {
      async get(name) {
        read.push(name)
        return consumer
      },
      known: () => known,
      work(_consumer, worker) {
        workers.add(worker)
        return { wake: () => void woken.push(worker), end: () => void workers.delete(worker) }
      },
      async settle(of, settlement) {
        settlements.push(settlement)
        if (of !== consumer) throw new ConsumerNotFound('it is gone')
        return new Set(['m1'])
      },
    },
    hub: { tip: 40, epoch: 'e' },
    interests: createInterests({ limits: { ...defaultLimits, ...limits } }, { topics }),
  })
  return { commands, joined, workers, woken, read, settlements }
}

function clientWith(actions: TokenAction[] = ['consume'], allowed = ['orders', 'orders.>'], signal = new AbortController().signal) {
  const sent: ServerFrame[] = []
  const grant: Grant = { id: 'tok_1', actions: new Set(actions), topics: topicFilter(allowed) }
  const outlet = {
    ...{ writable: true, isBlocked: false },
    send: (frame: ServerFrame) => void sent.push(frame),
    sendEntry: () => undefined,
    sendEntries: () => undefined,
    sendMany(next: () => ServerFrame | undefined) {
      for (let frame = next(); frame !== undefined; frame = next()) sent.push(frame)
    },
    together: (send: () => void) => send(),
  }
  const subscriptions = new Map<string | undefined, Subscription>()
  const client: Partial<Client> = { ...{ outlet, subscriptions, grant, signal, address: '192.0.2.1' }, onReady: () => undefined }
  return { client: client as Client, sent, subscriptions }
}

const subscribe = { type: 'subscribe', consumer: 'c' } as const
const ack = { type: 'ack', consumer: 'c', ids: ['m1', 'm2'] } as const

test('a client works and acknowledges when its token allows to, on topics that it allows', async () => {
  const { commands, joined, workers } = setUp()
  for (const { client } of [clientWith(['read', 'publish']), clientWith(['consume'], ['orders'])]) {
    await expect(commands.work(subscribe, client)).rejects.toThrow(Forbidden)
    await expect(commands.ack({ ...ack, ids: [...ack.ids] }, client)).rejects.toThrow(Forbidden)
  }
  expect([joined, workers.size]).toEqual([[], 0])
  const { client, sent } = clientWith()
  await commands.work({ ...subscribe, id: 1 }, client)
  expect(sent).toEqual([{ type: 'subscribed', id: 1, consumer: 'c', cursor: 'e.7' }])
  expect([joined, workers.size]).toEqual([['orders'], 1])
})

test('an acknowledgement that asks for an answer is told what was settled, before its turn ends', async () => {
  const { commands } = setUp()
  const { client, sent } = clientWith()
  await commands.ack({ ...ack, ids: [...ack.ids] }, client)
  await commands.ack({ ...ack, ids: [...ack.ids], id: 2 }, client)
  expect(sent).toEqual([{ type: 'acked', id: 2, consumer: 'c', settled: ['m1'] }])
})

test('acknowledgements of one turn are answered in one write to each client', async () => {
  const { commands } = setUp()
  const writes: Array<number | undefined> = []
  const clients = [clientWith(), clientWith()]
  for (const { client, sent } of clients) {
    const { sendMany } = client.outlet
    client.outlet.sendMany = (next) => {
      sendMany(next)
      writes.push(sent.length)
    }
  }
  await Promise.all(clients.flatMap(({ client }) => [1, 2, 3].map((id) => commands.ack({ ...ack, ids: ['m1'], id }, client))))
  expect(writes).toEqual([3, 3])
  expect(clients.map(({ sent }) => sent.map((frame) => 'id' in frame && frame.id))).toEqual([
    [1, 2, 3],
    [1, 2, 3],
  ])
})

test('acknowledgements of a client in one turn are one settlement, and each frame is told of what it was the first to name', async () => {
  const { commands, settlements } = setUp()
  const { client, sent } = clientWith()
  const other = clientWith()
  const frames = [['m1', 'm2'], ['m3'], ['m1']].map((ids, id) => commands.ack({ ...ack, ids, id }, client))
  await Promise.all([...frames, commands.ack({ ...ack, ids: ['m1'], id: 3 }, other.client)])
  expect(settlements).toEqual([
    { ids: ['m1', 'm2', 'm3', 'm1'], verdict: 'ack' },
    { ids: ['m1'], verdict: 'ack' },
  ])
  expect([...sent, ...other.sent].map((frame) => frame.type === 'acked' && frame.settled)).toEqual([['m1'], [], [], ['m1']])
})

test('acknowledgements of another kind, or beyond a thousand names, are settlements of their own', async () => {
  const { commands, settlements } = setUp({}, consumer)
  const { client } = clientWith()
  const many = Array.from({ length: 999 }, (_, index) => `n${index}`)
  const frames = [
    { ...ack, ids: many },
    { ...ack, ids: ['m1'] },
    { ...ack, ids: ['m2'] },
    { ...ack, ids: ['m3'], verdict: 'drop' as const },
    { ...ack, ids: undefined, claims: ['m4~x'] },
    { ...ack, ids: undefined, claims: ['m5~x'], verdict: 'retry' as const },
    { ...ack, ids: ['m6'] },
  ]
  const carriedOut = frames.map((frame) => commands.ack(frame, client))
  client.grant = clientWith(['read']).client.grant
  const refused = commands.ack({ ...ack, ids: ['m7'] }, client)
  await expect(refused).rejects.toThrow(Forbidden)
  await Promise.all(carriedOut)
  expect(settlements.map(({ ids, claims, verdict }) => [(ids ?? claims)?.length, (ids ?? claims)?.at(-1), verdict])).toEqual([
    [1_000, 'm1', 'ack'],
    [1, 'm2', 'ack'],
    [1, 'm3', 'drop'],
    [1, 'm4~x', 'ack'],
    [1, 'm6', 'ack'],
    // It reads the settings first.
    [1, 'm5~x', 'retry'],
  ])
})

test('an acknowledgement reads no consumer that is worked on here, where it needs no settings', async () => {
  const { commands, read } = setUp({}, consumer)
  const { client } = clientWith()
  for (const verdict of [undefined, 'ack', 'drop'] as const) await commands.ack({ ...ack, ids: ['m1'], verdict }, client)
  await expect(commands.ack({ ...ack, ids: ['m1'] }, clientWith(['consume'], ['orders']).client)).rejects.toThrow(Forbidden)
  await expect(commands.ack({ ...ack, ids: ['m1'] }, clientWith(['read']).client)).rejects.toThrow(Forbidden)
  expect(read).toEqual([])
  for (const verdict of ['retry', 'progress'] as const) await commands.ack({ ...ack, ids: undefined, claims: ['m1~x'], verdict }, client)
  expect(read).toEqual(['c', 'c'])
})

test('an acknowledgement of a consumer that is gone is for the one that has taken its place, with the topics of that one', async () => {
  const gone = { ...consumer, createdAt: 0, settings: { ...consumer.settings, topics: ['bills'] } }
  const { commands, read } = setUp({}, gone)
  const { client, sent } = clientWith(['consume'], ['orders', 'orders.>', 'bills'])
  await commands.ack({ ...ack, ids: ['m1'], id: 1 }, client)
  expect([sent, read]).toEqual([[{ type: 'acked', id: 1, consumer: 'c', settled: ['m1'] }], ['c']])
  await expect(commands.ack({ ...ack, ids: ['m1'] }, clientWith(['consume'], ['bills']).client)).rejects.toThrow(Forbidden)
})

test('a subscription to a consumer has nothing that is the consumer’s', async () => {
  const { commands, joined } = setUp()
  const { client } = clientWith()
  for (const fields of [{ topics: ['orders'] }, { direct: false }, { own: true }, { after: 'latest' }])
    await expect(commands.work({ ...subscribe, ...fields }, client)).rejects.toThrow(InvalidRequest)
  expect(joined).toEqual([])
})

test('its topics count, and are left when it is refused, ends, or its client has gone meanwhile', async () => {
  const { commands, joined, workers } = setUp({ maxSubscribedTopics: 2 })
  await expect(commands.work(subscribe, clientWith().client)).rejects.toThrow(SubscriptionLimit)
  expect(joined).toEqual([])
  const other = setUp()
  await other.commands.work(subscribe, clientWith(['consume'], ['>'], AbortSignal.abort()).client)
  expect([other.joined, other.workers.size, workers.size]).toEqual([[], 0, 0])
})

test('a subscription whose topics have no room keeps none of them', async () => {
  const joined: string[] = []
  const topics = {
    async use(topic: string) {
      if (topic === 'full') throw new Error('no room')
      joined.push(topic)
      return { [Symbol.dispose]: () => void joined.splice(joined.indexOf(topic), 1) }
    },
  }
  const interests = createInterests({ limits: { ...defaultLimits, maxSubscribedTopics: 4 } }, { topics })
  await expect(interests.open('tok_1', topicFilter(['orders', 'full']))).rejects.toThrow('no room')
  expect(joined).toEqual([])
  using _open = await interests.open('tok_1', topicFilter(['orders', 'bills']))
  expect(joined).toEqual(['orders', 'bills'])
})

test('a subscription of the same name takes the place of the one before, whose end leaves it there', async () => {
  const { commands, joined, workers } = setUp()
  const { client, subscriptions } = clientWith()
  await commands.work({ ...subscribe, subscription: 'w' }, client)
  const [first] = workers
  await commands.work({ ...subscribe, subscription: 'w' }, client)
  expect([workers.size, first !== undefined && workers.has(first), joined]).toEqual([1, false, ['orders']])
  first?.ended(new Error('the consumer is gone'))
  expect(subscriptions.size).toBe(1)
  const [second] = workers
  second?.ended(new Error('the consumer is gone'))
  expect(subscriptions.size).toBe(0)
})

test('one subscription of a connection has messages to send at a time; the others are woken when it has sent them', async () => {
  const { commands, workers, woken } = setUp()
  const { client, subscriptions } = clientWith()
  for (const subscription of ['one', 'two']) await commands.work({ ...subscribe, subscription }, client)
  const [one, two] = workers
  expect([one?.room, two?.room]).toEqual([100, 100])
  one?.take([{ message: storedMessage(1), epoch: 'e', attempt: 1, claim: 'x' }])
  expect(two?.room).toBe(0)
  subscriptions.get('one')?.advance()
  expect([two?.room, two !== undefined && woken.includes(two)]).toEqual([100, true])
})
