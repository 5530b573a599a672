import { onTestFinished } from 'vitest'
import { localKey } from '../../src/access/client-key.ts'
import type { EngineEvent, Inbound, P2PEngine } from '../../src/engine/engine.ts'
import type { Identity } from '../../src/identity/identity.ts'
import { createWatchers } from '../../src/lib/watchers.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createHub } from '../../src/log/hub.ts'
import { createIngest } from '../../src/log/ingest.ts'
import { createWriteWatch } from '../../src/log/write-watch.ts'
import type { StoredMessage } from '../../src/model/message.ts'
import { createMessageSigner, messageId, type SignedMessage } from '../../src/model/signed-message.ts'
import { directTopic } from '../../src/model/topic.ts'
import { createPublisher } from '../../src/publish/publisher.ts'
import type { LogStore } from '../../src/store/log-store.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { createTopics } from '../../src/topics/topics.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork, type MemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore, type MemoryDisk } from '../fixtures/memory-store.ts'

/** Who joins a topic. */
export const someone = { client: 'tok_1', explicit: true }

export interface Setup {
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
export async function createRoad(setup: Setup = {}) {
  const identity = setup.identity ?? (await createMemoryIdentity())
  const bare = createMemoryEngine({ network: setup.network ?? createMemoryNetwork(), identity })
  const engine = setup.wrapEngine?.(bare) ?? bare
  const store = createMemoryStore(setup.disk)
  const log = setup.wrapLog?.(store.log) ?? store.log
  const limits = { ...defaultLimits, ...setup.limits }
  const hub = createHub({ limits }, { log })
  const topics = createTopics({ limits }, { engine, store, traffic: hub.traffic, logger: silentLog })
  const metrics = createMetrics()
  const reads = createWatchers<[messages: StoredMessage[]]>()
  const ingest = createIngest(
    { limits },
    {
      engine,
      log,
      tail: { append: hub.append, watchRead: reads.watch },
      traffic: hub.traffic,
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
export function gatedLog() {
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

/** An author who is nobody's peer. */
export async function author() {
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
export async function hearing(setup: Setup = {}) {
  let inbound: Inbound | undefined
  const notices = createWatchers<[event: EngineEvent]>()
  const road = await createRoad({
    ...setup,
    wrapEngine: (engine) => ({
      ...engine,
      listen(listener) {
        notices.watch(listener)
        return engine.listen(listener)
      },
      receive(handler) {
        inbound = handler
        engine.receive(handler)
      },
    }),
  })
  return {
    ...road,
    /** The neighbours of the engine announce messages. */
    announce(...messages: SignedMessage[]) {
      notices.tell({ type: 'message:announced', peerId: 'peer', ids: messages.map(({ from, sequence }) => messageId(from, sequence)) })
    },
    /** Whether the engine is to read more of the author. */
    hasRoom: (peerId: string) => inbound?.room?.(peerId) === undefined,
    isHeld: (message: SignedMessage) => inbound?.isHeld?.(message),
    async hear(message: SignedMessage) {
      if (inbound === undefined) throw new Error('nobody hears')
      return await inbound.onMessage(message)
    },
  }
}
