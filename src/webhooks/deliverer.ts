import type { Endings } from '../access/endings.ts'
import { createLoop } from '../lib/loop.ts'
import { topicFilter, topicsOf } from '../model/topic.ts'
import type { WebhookRecord, WebhookStore } from '../store/webhook-store.ts'
import type { Topics } from '../topics/topics.ts'
import { type DeliveryComponents, type DeliveryLimits, deliver } from './delivery.ts'
import type { Rights } from './rights.ts'

/**
 * Claims webhooks and delivers them. Gateways of one database share the work: one gateway at a time has a webhook, and
 * another takes it over when the claim is no longer renewed.
 */
export interface Deliverer {
  start(): Promise<void>
  /** Ends the requests in progress, which are sent again by the next holder of the claim. */
  stop(): Promise<void>
  /** A webhook may have been added or changed: claims what can be claimed. */
  wake(): void
  /** Webhooks that this gateway delivers. */
  readonly active: number
}

export interface DelivererComponents extends Omit<DeliveryComponents, 'ended'> {
  rights: Pick<Rights, 'endOf'>
  store: Pick<WebhookStore, 'note' | 'attempted' | 'claim' | 'renew' | 'release' | 'disown'>
  topics: Pick<Topics, 'use'>
  endings: Pick<Endings, 'watch'>
}

/** Milliseconds between two looks for webhooks without a claim. */
const lookMs = 1_000
/** Milliseconds between two renewals of claims, and how long a claim lasts. */
const renewMs = 5_000
export const claimMs = 15_000
/** Webhooks that one look claims. */
const claimedAtOnce = 50

export function createDeliverer(init: { limits: DeliveryLimits }, components: DelivererComponents): Deliverer {
  const { by, store, rights, topics, endings, logger, age } = components
  const running = new Map<string, { stop: AbortController; done: Promise<void> }>()
  const looking = createLoop({
    work: look,
    onError: (err) => logger.warn({ err }, 'webhooks could not be read; another attempt follows'),
  })
  let timer: NodeJS.Timeout | undefined
  let isStopping = true
  /** Whether the claims of an earlier run were ended. */
  let isResumed = false
  let renewAt = 0

  async function look(): Promise<void> {
    if (isStopping) return
    if (!isResumed) await store.disown(by)
    isResumed = true
    if (age() >= renewAt) await renew()
    const claimed = await store.claim({ by, now: age(), until: age() + claimMs, limit: claimedAtOnce })
    for (const webhook of claimed) run(webhook)
    if (claimed.length === claimedAtOnce) looking.ask()
  }

  async function renew(): Promise<void> {
    renewAt = age() + renewMs
    if (running.size === 0) return
    const held = new Set(await store.renew({ by, ids: [...running.keys()], until: age() + claimMs }))
    for (const [id, { stop }] of running) if (!held.has(id)) stop.abort()
  }

  function run(webhook: WebhookRecord): void {
    const { id } = webhook
    const before = running.get(id)
    before?.stop.abort()
    const stop = new AbortController()
    const done = (before?.done ?? Promise.resolve())
      .then(() => deliverWhileHeld(webhook, stop))
      .then(
        () => true,
        (err: unknown) => {
          // What failed without a cause of its own is tried again when the claim has run out.
          if (!stop.signal.aborted) logger.warn({ err, webhook: id }, 'a webhook could not be delivered; another attempt follows')
          return stop.signal.aborted
        },
      )
      .then((isOver) => {
        if (running.get(id)?.stop !== stop) return
        running.delete(id)
        if (isOver && !isStopping) release(id)
      })
    running.set(id, { stop, done })
  }

  async function deliverWhileHeld(webhook: WebhookRecord, stop: AbortController): Promise<void> {
    const { settings, owner, client } = webhook
    using held = new DisposableStack()
    for (const topic of topicsOf(topicFilter(settings.topics))) {
      // Without room for a join, messages of the topic come from here and from linked gateways only.
      const use = await topics.use(topic, client).catch((err: unknown) => logger.debug({ err, topic }, 'a topic could not be joined'))
      if (use !== undefined) held.use(use)
    }
    const grant = { id: owner, actions: new Set<never>(), topics: { exact: [], patterns: [] } }
    // `ended` of the next delivery finds that the rights have ended, and pauses the webhook.
    const watch = watchEnd(grant, () => stop.abort())
    if (watch !== undefined) held.use(watch)
    await deliver({ webhook, limits: init.limits }, { ...components, ended: rights.endOf(webhook), signal: stop.signal })
  }

  function watchEnd(grant: Parameters<Endings['watch']>[0], onEnd: () => void): Disposable | undefined {
    try {
      return endings.watch(grant, onEnd)
    } catch {
      return undefined
    }
  }

  function release(id: string): void {
    store.release({ by, id }).then(
      () => wake(),
      (err: unknown) => logger.debug({ err, webhook: id }, 'the claim of a webhook could not be ended; it ends by itself'),
    )
  }

  function wake(): void {
    if (!isStopping) looking.ask()
  }

  return {
    wake,
    get active() {
      return running.size
    },
    async start() {
      isStopping = false
      isResumed = false
      renewAt = 0
      timer = setInterval(wake, lookMs)
      wake()
    },
    async stop() {
      if (isStopping) return
      isStopping = true
      clearInterval(timer)
      await looking.idle()
      const all = [...running.values()]
      for (const { stop } of all) stop.abort()
      await Promise.all(all.map(({ done }) => done))
      await store.disown(by).catch((err: unknown) => logger.debug({ err }, 'claims of webhooks could not be ended; they end by themselves'))
    },
  }
}
