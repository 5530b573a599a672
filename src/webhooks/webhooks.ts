import type { KeyObject } from 'node:crypto'
import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import type { Access } from '../access/access.ts'
import { createClientShares } from '../access/client-shares.ts'
import type { Endings } from '../access/endings.ts'
import type { Tokens } from '../access/tokens.ts'
import type { Ages } from '../clock/ages.ts'
import type { Members } from '../cluster/members.ts'
import { Forbidden, WebhookChanged, WebhookLimit, WebhookNotFound } from '../errors.ts'
import type { LookUp } from '../lib/look-up.ts'
import { createMonotonicIds } from '../lib/monotonic-id.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import { type Page, pageOf } from '../lib/page.ts'
import { createSemaphore } from '../lib/semaphore.ts'
import { createSerial } from '../lib/serial.ts'
import type { Limits } from '../limits.ts'
import type { History } from '../log/history.ts'
import type { Hub } from '../log/hub.ts'
import type { Payer } from '../log/positions.ts'
import { type Grant, requireAction, requireTopics } from '../model/grant.ts'
import { subscriptionFilter } from '../model/topic.ts'
import type { WebhookAttemptView, WebhookChanges, WebhookInput, WebhookTestView, WebhookView, WebhookWithSecret } from '../model/webhook.ts'
import type { WebhookProgress, WebhookRecord, WebhookStore } from '../store/webhook-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Topics } from '../topics/topics.ts'
import { testBody } from './body.ts'
import { createDeliverer, type Deliverer } from './deliverer.ts'
import type { DeliveryLimits } from './delivery.ts'
import { createPostman } from './postman.ts'
import { createRights } from './rights.ts'
import { createSender } from './sender.ts'
import { changedSettings, checkSettings, settingsOf } from './settings.ts'
import { newSecret } from './signature.ts'
import { createTargets } from './targets.ts'
import { attemptView, publicKeysOf, webhookView } from './views.ts'

/**
 * Webhooks: messages of the log, posted to a URL in batches, each after the one before was accepted, at least once.
 * Tokens see the webhooks that they made; tokens with `admin` see all.
 */
export interface Webhooks extends Pick<Deliverer, 'start' | 'active'> {
  stop(): Promise<void>
  /**
   * The secret is returned only here and by `rotate`.
   * @throws Forbidden, InvalidWebhook, DialForbidden, WebhookLimit, and what `History.resolve` throws
   */
  create(input: WebhookInput, by: WebhookClient): Promise<WebhookWithSecret>
  list(query: { after?: string | undefined; limit: number }, grant: Grant): Promise<Page<WebhookView>>
  /** @throws WebhookNotFound */
  get(id: string, grant: Grant): Promise<WebhookView>
  /**
   * Changes settings, state or position, for the owner. Who is not, but has `admin`, may change the state. Another
   * position or other topics give up the batch that was begun.
   * @throws WebhookNotFound, WebhookChanged, and what `create` throws
   */
  change(id: string, changes: WebhookChanges, grant: Grant, by?: Payer): Promise<WebhookView>
  /** @throws WebhookNotFound */
  remove(id: string, grant: Grant): Promise<void>
  /** Replaces the secret. The old one signs too for `secretOverlapMs`. @throws WebhookNotFound, WebhookChanged */
  rotate(id: string, grant: Grant): Promise<WebhookWithSecret>
  /** Sends a request without messages, also while the webhook is paused. @throws WebhookNotFound */
  test(id: string, grant: Grant, signal: AbortSignal): Promise<WebhookTestView>
  /** The last attempts, the newest first. @throws WebhookNotFound */
  attempts(id: string, grant: Grant): Promise<WebhookAttemptView[]>
}

export interface WebhookClient {
  grant: Grant
  /** `clientKey`. */
  client: string
  /** Pays for finding the position. */
  by?: Payer | undefined
}

export interface WebhooksInit {
  peerId: string
  /** Hosts that may be sent to although they are not public. */
  allowed: string[]
  limits: DeliveryLimits & Pick<Limits, 'maxWebhooks' | 'maxWebhooksPerToken' | 'maxWebhookRequests' | 'clientSharePercent'>
}

export interface WebhooksComponents {
  store: WebhookStore
  hub: Pick<Hub, 'read' | 'follow' | 'epoch' | 'tip'>
  history: Pick<History, 'resolve'>
  topics: Pick<Topics, 'use'>
  access: Pick<Access, 'admit'>
  tokens: Pick<Tokens, 'get'>
  endings: Pick<Endings, 'watch'>
  /** The other gateways, whose keys sign too. */
  gateways: Pick<Members, 'others'>
  signingKey: KeyObject | undefined
  metrics: Pick<Metrics, 'webhook'>
  logger: Logger
  clock: Ages
  now: () => number
  lookUp?: LookUp | undefined
}

/** Time for which a replaced secret signs too, in milliseconds: a day, to change it at the receiver. */
export const secretOverlapMs = 86_400_000
/** Time that a change may take, in milliseconds. */
const changeMs = 5_000
/** The age of what is known of other gateways, in milliseconds. */
const gatewaysAgeMs = 10_000

export function createWebhooks(init: WebhooksInit, components: WebhooksComponents): Webhooks {
  const { limits, peerId } = init
  const { store, history, topics, gateways, clock } = components
  const age = () => clock.age()
  const targets = createTargets(init, components)
  const sender = createSender({ targets, now: components.now })
  const postman = createPostman({ ...components, sender, age })
  const places = createSemaphore({
    max: limits.maxWebhookRequests,
    // A webhook waits for one place at a time, and webhooks are bounded; tests are requests of clients.
    maxWaiting: Number.MAX_SAFE_INTEGER,
    shares: (max) => createClientShares({ max, limits }),
  })
  const deliverer = createDeliverer(init, { ...components, by: peerId, rights: createRights(components), postman, places, age })
  const nextId = createMonotonicIds({ now: age })
  const inTurn = createSerial()

  /** The webhook, if the client may see it. @throws WebhookNotFound */
  async function find(id: string, grant: Grant): Promise<WebhookRecord> {
    const webhook = await store.get(id)
    if (webhook === undefined || !(isOwner(webhook, grant) || grant.actions.has('admin'))) throw notFound()
    return webhook
  }

  /** Where a webhook starts to read. @throws Forbidden, InvalidWebhook, DialForbidden, and what `resolve` throws */
  async function admitted(
    settings: WebhookRecord['settings'],
    after: string | undefined,
    { grant, by }: Pick<WebhookClient, 'grant' | 'by'>,
  ): Promise<string | undefined> {
    checkSettings(settings, { targets })
    const filter = subscriptionFilter(settings)
    requireAction(grant, 'read')
    requireTopics(grant, filter)
    return after === undefined ? undefined : (await history.resolve(after, filter, by)).cursor
  }

  /** Changes a webhook, whatever a delivery in progress does. @throws WebhookNotFound, WebhookChanged */
  async function changed(id: string, work: (webhook: WebhookRecord) => Parameters<WebhookStore['change']>[1]): Promise<WebhookRecord> {
    const webhook = await store.take({ id, by: `${peerId} change`, until: age() + changeMs })
    if (webhook === undefined) throw notFound()
    const changes = work(webhook)
    if (!(await store.change({ id, revision: webhook.revision }, changes))) throw new WebhookChanged('The webhook was changed meanwhile.')
    deliverer.wake()
    return { ...webhook, ...changes }
  }

  async function view(webhook: WebhookRecord): Promise<WebhookView> {
    return webhookView(webhook, { clock, publicKeys: await publicKeys() })
  }

  async function publicKeys(): Promise<string[]> {
    const others = await gateways.others(gatewaysAgeMs)
    return publicKeysOf([peerId, ...others.map((other) => other.peerId)])
  }

  return {
    start: () => deliverer.start(),
    async stop() {
      await deliverer.stop()
      sender.close()
    },
    get active() {
      return deliverer.active
    },
    async create(input, { grant, client, by }) {
      const settings = settingsOf(input)
      const cursor = await admitted(settings, input.after ?? 'latest', { grant, by })
      // Fails now when there is no room for the topics, and not later at every delivery.
      for (const topic of settings.topics.filter((each) => subscriptionFilter({ topics: [each] }).exact.length > 0)) {
        const use = await topics.use(topic, client)
        use[Symbol.dispose]()
      }
      const secret = newSecret()
      const webhook = {
        ...{ id: `wh_${nextId()}`, owner: grant.id, client, settings, secrets: [{ secret }], createdAt: age() },
        progress: startAt(cursor ?? ''),
        rightsUntil: grant.session === undefined ? grant.expiresAt : grant.tokenExpiresAt,
      }
      const { maxWebhooks: max, maxWebhooksPerToken: maxOfClient } = limits
      if (!(await inTurn(() => store.add(webhook, { max, maxOfClient }))))
        throw new WebhookLimit('There are too many webhooks, in all or of this client.')
      deliverer.wake()
      return { ...(await view({ ...webhook, state: 'active', revision: 0 })), secret }
    },
    async list({ after, limit }, grant) {
      const owner = grant.actions.has('admin') ? undefined : grant.id
      const { items, next } = pageOf(await store.list({ ...omitUndefined({ after, owner }), limit: limit + 1 }), limit, ({ id }) => id)
      const keys = await publicKeys()
      return { items: items.map((webhook) => webhookView(webhook, { clock, publicKeys: keys })), next }
    },
    get: async (id, grant) => await view(await find(id, grant)),
    async change(id, changes, grant, by) {
      const before = await find(id, grant)
      const { state, after, ...more } = changes
      if (!isOwner(before, grant) && (after !== undefined || Object.keys(more).length > 0))
        throw new Forbidden('Only the token that made the webhook can change more than its state.')
      const cursor = isOwner(before, grant) ? await admitted(changedSettings(before.settings, changes), after, { grant, by }) : undefined
      const webhook = await changed(id, ({ settings, progress, ...now }) => {
        const to = changedSettings(settings, changes)
        const isOther = !isDeepStrictEqual(subscriptionFilter(to), subscriptionFilter(settings))
        return {
          settings: to,
          state: state ?? now.state,
          progress: changedProgress(progress, { cursor, isOther, isResumed: state === 'active' }),
        }
      })
      return await view(webhook)
    },
    async remove(id, grant) {
      await find(id, grant)
      if (!(await store.remove(id))) throw notFound()
    },
    async rotate(id, grant) {
      if (!isOwner(await find(id, grant), grant)) throw new Forbidden('Only the token that made the webhook can replace its secret.')
      const secret = newSecret()
      const webhook = await changed(id, ({ secrets: [current] }) => ({
        secrets: [{ secret }, ...(current === undefined ? [] : [{ secret: current.secret, until: age() + secretOverlapMs }])],
      }))
      return { ...(await view(webhook)), secret }
    },
    async test(id, grant, signal) {
      const webhook = await find(id, grant)
      using _place = await places.take(signal, webhook.client)
      const at = age()
      const webhookId = `msg_${randomBytes(16).toString('base64url')}`
      const { status, durationMs, error = null, body } = await postman.send(webhook, { id: webhookId, body: testBody(id) }, signal)
      return { at: new Date(clock.toWall(at)).toISOString(), webhookId, status, durationMs, error, body }
    },
    async attempts(id, grant) {
      await find(id, grant)
      return (await store.attempts(id)).map((attempt) => attemptView(attempt, clock))
    },
  }
}

function isOwner({ owner }: WebhookRecord, grant: Grant): boolean {
  return owner === grant.id
}

function notFound(): WebhookNotFound {
  return new WebhookNotFound('No webhook has this id, or it belongs to another token.')
}

function startAt(cursor: string): WebhookProgress {
  return { cursor, gaps: [], attempts: 0, failures: 0 }
}

/** A batch that was begun is sent as it was, unless it would have other messages now. */
function changedProgress(
  progress: WebhookProgress,
  { cursor, isOther, isResumed }: { cursor: string | undefined; isOther: boolean; isResumed: boolean },
): WebhookProgress {
  const { failures: _failures, failingSince: _since, retryAt: _retry, lastError: _error, ...rest } = progress
  const resumed = isResumed || cursor !== undefined ? { ...rest, failures: 0 } : progress
  if (cursor === undefined) return isOther ? { ...resumed, batch: undefined } : resumed
  return { ...resumed, cursor, batch: undefined, gaps: [] }
}
