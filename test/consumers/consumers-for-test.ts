import { onTestFinished } from 'vitest'
import { createConsumers } from '../../src/consumers/consumers.ts'
import type { HandedOut } from '../../src/consumers/workers.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createHistory } from '../../src/log/history.ts'
import { createHub, type Hub } from '../../src/log/hub.ts'
import { consumerDefaults, formatClaim, parseClaim } from '../../src/model/consumer.ts'
import type { NewMessage } from '../../src/model/message.ts'
import type { ConsumerSettings } from '../../src/store/consumer-store.ts'
import type { Store } from '../../src/store/store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { newMessage } from '../fixtures/messages.ts'

export interface ConsumersForTestInit {
  store?: Store
  /** Shared by gateways of one log. */
  hub?: Hub
  peerId?: string
  limits?: Partial<typeof defaultLimits>
}

/** Consumers of a gateway whose age time the test moves. */
export async function consumersForTest({ store = createMemoryStore(), peerId = 'g', ...init }: ConsumersForTestInit = {}) {
  const limits = { ...defaultLimits, ...init.limits }
  await store.start()
  const hub = init.hub ?? createHub({ limits }, { log: store.log })
  if (init.hub === undefined) await hub.start()
  const used: string[] = []
  let time = 1_000_000
  const ages = { age: () => time, settledAge: () => time, toWall: (age: number) => age, toAge: (wall: number) => wall }
  const topics = {
    async use(topic: string) {
      used.push(topic)
      return { [Symbol.dispose]: () => void used.splice(used.indexOf(topic), 1) }
    },
  }
  const history = createHistory({ limits }, { log: store.log, hub })
  const metrics = createMetrics()
  const consumers = createConsumers(
    { limits },
    { store, hub, history, topics, metrics, peerId, logger: silentLog, clock: ages, now: () => time },
  )
  await consumers.start()
  onTestFinished(() => consumers.stop())
  const appended: string[] = []
  /** The claim of the last delivery of each message to `pull`. */
  const claims = new Map<string, string>()

  return {
    ...{ consumers, store, hub, used, metrics, appended },
    pass(ms: number) {
      time += ms
    },
    /** Appends messages; returns their ids. */
    async append(...messages: NewMessage[]): Promise<string[]> {
      const { previousTip, entries } = await store.log.append(messages)
      const stored = entries.map(({ message }) => message).filter((message) => message !== undefined)
      hub.append(previousTip, stored)
      appended.push(...stored.map(({ id }) => id))
      return stored.map(({ id }) => id)
    },
    async create(name: string, settings: Partial<ConsumerSettings> = {}, options: { client?: string; after?: string } = {}) {
      const { client = 'tok_1', after = 'latest' } = options
      const all = { topics: ['orders'], direct: false, order: 'none' as const, ...consumerDefaults, ...settings }
      return (await consumers.create({ name, client, after, settings: all })).consumer
    },
    /** Ids of what one request takes. */
    async pull(name: string, limit = 100, waitMs = 0) {
      const query = { limit, waitMs, client: 'tok_1', signal: new AbortController().signal }
      const pulled = await consumers.pull(await consumers.get(name), query)
      for (const { message, claim } of pulled) claims.set(message.id, formatClaim({ id: message.id, claim }))
      return pulled.map(({ message, attempt }) => ({ id: message.id, attempt }))
    },
    claimOf: (id: string) => claims.get(id) ?? formatClaim({ id, claim: '' }),
    /** Settles messages by their last claims; returns the ids of those that were settled. */
    async settle(name: string, ids: string[], verdict: 'ack' | 'retry' | 'progress' | 'drop' = 'ack', delayMs?: number) {
      const said = { claims: ids.map((id) => claims.get(id) ?? formatClaim({ id, claim: '' })), verdict, delayMs }
      return Array.from(await consumers.settle(await consumers.get(name), said), (claim) => parseClaim(claim).id)
    },
  }
}

/** Who asks what consumers have to do, where that is not what the test is about. */
export const atNoCost = { signal: new AbortController().signal, client: 'tok_1', pay: () => undefined }

export const orders = (count: number) => Array.from({ length: count }, () => newMessage('orders'))

/** Messages that are handed out for the first time. */
export const first = (ids: string[]) => ids.map((id) => ({ id, attempt: 1 }))

/** A worker that takes so many messages and acknowledges none. */
export function connection(room: number) {
  const had: Array<{ id: string; attempt: number }> = []
  const take = (messages: HandedOut[]) => had.push(...messages.map(({ message, attempt }) => ({ id: message.id, attempt })))
  return { had, room, once: false, take, ended: () => undefined }
}
