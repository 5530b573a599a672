import { expect, onTestFinished, vi } from 'vitest'
import { createEndings } from '../../src/access/endings.ts'
import { TopicLimit } from '../../src/errors.ts'
import { createSemaphore } from '../../src/lib/semaphore.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createHub } from '../../src/log/hub.ts'
import { formatCursor } from '../../src/model/cursor.ts'
import type { Store } from '../../src/store/store.ts'
import type { WebhookChange, WebhookSettings } from '../../src/store/webhook-store.ts'
import { createDeliverer } from '../../src/webhooks/deliverer.ts'
import { createPostman } from '../../src/webhooks/postman.ts'
import { createSender } from '../../src/webhooks/sender.ts'
import { newSecret } from '../../src/webhooks/signature.ts'
import { createTargets } from '../../src/webhooks/targets.ts'
import { silentLog } from '../fixtures/log.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { sqliteStore } from '../store/sqlite-place.ts'
import { publisher, receiver } from './stage.ts'

/** The token that made all webhooks. */
export const owner = 'tok_a'
/** Milliseconds between two looks for webhooks, and between two renewals of claims. */
export const [lookMs, renewMs] = [1_000, 5_000]

/** A database with webhooks, the log of its gateways, and the time of all of them, which a test moves. */
export async function cluster() {
  const store = sqliteStore(await temporaryDirectory())
  await store.start()
  onTestFinished(() => store.stop())
  const hub = createHub({ limits: defaultLimits }, { log: store.log })
  await hub.start()
  const clock = { ms: 1_000_000 }
  let webhooks = 0

  return {
    ...{ store, hub, clock, publish: publisher({ store, hub }) },
    /** @returns the id of the webhook, which reads the log from its start */
    async add(url: string, settings: Partial<WebhookSettings> = {}): Promise<string> {
      const id = `wh_${++webhooks}`
      const base = { topics: ['orders'], direct: false, batchSize: 1, batchMs: 0, timeoutMs: 60_000, headers: [] }
      const { epoch } = await store.log.position()
      const webhook = {
        ...{ id, owner, client: 'local', settings: { url, ...base, ...settings }, secrets: [{ secret: newSecret() }], createdAt: clock.ms },
        ...{ progress: { cursor: formatCursor(epoch, 0), gaps: [], attempts: 0, failures: 0 }, rightsUntil: undefined },
      }
      expect(await store.webhooks.add(webhook, { max: 1_000, maxOfClient: 1_000 })).toBe(true)
      return id
    },
    async change(id: string, changes: WebhookChange): Promise<void> {
      const taken = await store.webhooks.take({ id, by: 'a change', until: clock.ms })
      expect(await store.webhooks.change({ id, revision: taken?.revision ?? -1 }, changes)).toBe(true)
    },
  }
}

type Cluster = Awaited<ReturnType<typeof cluster>>

/** The deliverer of one gateway. `events` has what it does with topics, requests and all of its claims. */
export function gateway(
  { store, hub, clock }: Pick<Cluster, 'store' | 'hub' | 'clock'>,
  init: { by?: string; webhooks?: Partial<Store['webhooks']> } = {},
) {
  const { by = 'here' } = init
  const events: string[] = []
  const endings = createEndings()
  const rights: { ended: string | undefined } = { ended: undefined }
  const room = { isThere: true }
  const ticks: Array<() => void> = []
  let mayEnd = Promise.resolve()
  let looks = 0
  const sender = createSender({ targets: createTargets({ allowed: ['127.0.0.1'] }) })
  const postman = createPostman({ sender, signingKey: undefined, now: Date.now, age: () => clock.ms })
  const webhooks = { ...store.webhooks, ...init.webhooks }
  const deliverer = createDeliverer(
    { limits: defaultLimits },
    {
      ...{ by, hub, endings, logger: silentLog, age: () => clock.ms, metrics: { webhook: () => undefined } },
      postman: {
        async send(webhook, request, signal) {
          events.push('request')
          try {
            return await postman.send(webhook, request, signal)
          } finally {
            if (signal.aborted) events.push('request is cut')
            if (signal.aborted) await mayEnd
            events.push('request is over')
          }
        },
      },
      store: {
        ...webhooks,
        async claim(query) {
          try {
            return await webhooks.claim(query)
          } finally {
            looks++
          }
        },
        async disown(gone) {
          events.push('claims end')
          await webhooks.disown(gone)
        },
      },
      places: createSemaphore({ max: 100, maxWaiting: 1_000 }),
      rights: { endOf: () => async () => rights.ended },
      topics: {
        async use(topic, client) {
          if (!room.isThere) throw new TopicLimit('There is no room.')
          events.push(`join ${topic} for ${client}`)
          return { [Symbol.dispose]: () => void events.push(`leave ${topic}`) }
        },
      },
    },
  )
  onTestFinished(async () => {
    await deliverer.stop()
    sender.close()
  })

  async function nextLook(): Promise<void> {
    const before = looks
    deliverer.wake()
    await expect.poll(() => looks, { interval: 1 }).toBeGreaterThan(before)
  }

  /** Has it look for webhooks now, and ends after the look. */
  async function look(): Promise<void> {
    // The first one to end may have begun before.
    await nextLook()
    await nextLook()
  }

  /** Starts it without the timer of its looks, which `ticks` has: it looks only when it is woken. */
  async function startBeforeLooks(): Promise<void> {
    const hold = (callback: () => void, ms?: number) => {
      expect(ms).toBe(lookMs)
      ticks.push(callback)
      return setTimeout(() => undefined)
    }
    const spy = vi.spyOn(globalThis, 'setInterval').mockImplementation(hold as typeof setInterval)
    try {
      await deliverer.start()
    } finally {
      spy.mockRestore()
    }
  }

  return {
    ...{ deliverer, events, ticks, endings, rights, room, look, startBeforeLooks },
    async start(): Promise<void> {
      await startBeforeLooks()
      await look()
    },
    /** Requests that are cut last until the result is called. */
    holdRequests(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>()
      mayEnd = promise
      onTestFinished(() => resolve())
      return resolve
    },
  }
}

/** A receiver that answers nothing before the test lets it. */
export async function slowReceiver() {
  const { promise, resolve: answer } = Promise.withResolvers<void>()
  onTestFinished(() => answer())
  return { ...(await receiver(() => promise.then(() => ({})))), answer }
}
