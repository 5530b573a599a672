import { expect, test } from 'vitest'
import { Forbidden, WebhookChanged, WebhookLimit, WebhookNotFound } from '../../src/errors.ts'
import type { TokenAction } from '../../src/model/action.ts'
import type { Grant } from '../../src/model/grant.ts'
import { topicFilter } from '../../src/model/topic.ts'
import { webhookInputSchema } from '../../src/model/webhook.ts'
import { secretOverlapMs } from '../../src/webhooks/webhooks.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { type Stage, stage } from './stage.ts'

function grant(id: string, actions: TokenAction[] = ['webhooks', 'read'], fields: Partial<Grant> = {}): Grant {
  return { id, actions: new Set(actions), topics: topicFilter(['orders.>']), ...fields }
}

/** Makes a webhook for a client. Nobody listens at its URL. */
function make({ webhooks }: Stage, by: Grant, topics = ['orders.a']) {
  const input = webhookInputSchema.parse({ url: 'http://127.0.0.1:9/', topics })
  return webhooks.create(input, { grant: by, client: by.id })
}

const [owner, other] = [grant('tok_a'), grant('tok_b')]
const admin = grant('tok_c', ['webhooks', 'read', 'admin'])

test('belong to the token that made them: others see none, and one with admin sees all, and changes their state', async () => {
  const here = await stage()
  const { id } = await make(here, owner)
  const { webhooks } = here
  const signal = new AbortController().signal
  for (const refused of [
    webhooks.get(id, other),
    webhooks.change(id, { state: 'paused' }, other),
    webhooks.remove(id, other),
    webhooks.rotate(id, other),
    webhooks.test(id, other, signal),
    webhooks.attempts(id, other),
  ])
    await expect(refused).rejects.toThrow(WebhookNotFound)
  const seen = async (by: Grant) => (await webhooks.list({ limit: 10 }, by)).items.map((each) => each.id)
  expect([await seen(owner), await seen(other), await seen(admin)]).toEqual([[id], [], [id]])
  expect(await webhooks.change(id, { state: 'paused' }, admin)).toMatchObject({ state: 'paused' })
  await expect(webhooks.change(id, { url: 'http://127.0.0.1:10/' }, admin)).rejects.toThrow(Forbidden)
  await expect(webhooks.change(id, { state: 'active', after: 'earliest' }, admin)).rejects.toThrow(Forbidden)
  await expect(webhooks.rotate(id, admin)).rejects.toThrow(Forbidden)
  expect(await webhooks.attempts(id, admin)).toEqual([])
  await webhooks.remove(id, owner)
  expect(await seen(admin)).toEqual([])
})

test('read with the rights of their token, when they are made and when they are changed', async () => {
  const here = await stage()
  await expect(make(here, grant('tok_a', ['webhooks']))).rejects.toThrow(Forbidden)
  await expect(make(here, owner, ['bills'])).rejects.toThrow(Forbidden)
  const { id } = await make(here, owner)
  await expect(here.webhooks.change(id, { topics: ['bills'] }, owner)).rejects.toThrow(Forbidden)
  await expect(here.webhooks.change(id, { direct: true }, owner)).rejects.toThrow(Forbidden)
  await expect(here.webhooks.change(id, { state: 'active' }, grant('tok_a', ['webhooks']))).rejects.toThrow(Forbidden)
  expect(await here.webhooks.change(id, { topics: ['orders.b'] }, owner)).toMatchObject({ topics: ['orders.b'] })
})

test('end when the token does, not with the session in which they were made', async () => {
  const here = await stage()
  const untilOf = async (fields: Partial<Grant>) => {
    const { id } = await make(here, grant('tok_a', ['webhooks', 'read'], fields))
    return (await here.store.webhooks.get(id))?.rightsUntil
  }
  expect(await untilOf({ expiresAt: 9e15 })).toBe(9e15)
  expect(await untilOf({ session: 's', expiresAt: 8e15, tokenExpiresAt: 9e15 })).toBe(9e15)
  expect(await untilOf({ session: 's', expiresAt: 8e15 })).toBeUndefined()
})

test('sign with the secret that was replaced for a day', async () => {
  const here = await stage()
  const { id, secret } = await make(here, owner)
  const before = here.clock.ms + Date.now()
  const rotated = await here.webhooks.rotate(id, owner)
  const [now, old, ...more] = (await here.store.webhooks.get(id))?.secrets ?? []
  expect([now?.secret, old?.secret, more]).toEqual([rotated.secret, secret, []])
  expect([now?.until, (old?.until ?? 0) >= before + secretOverlapMs]).toEqual([undefined, true])
  expect(old?.until).toBeLessThanOrEqual(Date.now() + secretOverlapMs)
  const third = await here.webhooks.rotate(id, owner)
  expect((await here.store.webhooks.get(id))?.secrets.map((each) => each.secret)).toEqual([third.secret, rotated.secret])
})

test('that read other topics, or from another position, begin another batch; one that is only resumed sends its own again', async () => {
  const here = await stage()
  const { id } = await make(here, owner)
  await here.webhooks.change(id, { state: 'paused' }, owner)
  const batch = { id: 'msg_1', through: 'memory.1' }
  const changed = async (changes: Parameters<typeof here.webhooks.change>[1]) => {
    const webhook = await here.store.webhooks.take({ id, by: 'test', until: 0 })
    if (webhook === undefined) throw new Error('the webhook is gone')
    const progress = { ...webhook.progress, batch, failures: 3, lastError: 'HTTP 500' }
    await here.store.webhooks.change({ id, revision: webhook.revision }, { progress })
    await here.webhooks.change(id, changes, owner)
    return (await here.store.webhooks.get(id))?.progress
  }
  expect(await changed({ batchSize: 7 })).toMatchObject({ batch, failures: 3 })
  expect(await changed({ topics: ['orders.a'], direct: false })).toMatchObject({ batch, failures: 3 })
  expect((await changed({ topics: ['orders.b'] }))?.batch).toBeUndefined()
  expect(await changed({ after: 'earliest' })).toMatchObject({ batch: undefined, failures: 0 })
})

test('are counted one after another, and changed by one client at a time', async () => {
  const store = createMemoryStore()
  const { add, change } = store.webhooks
  let adding = 0
  store.webhooks.add = async (...args) => {
    adding++
    await new Promise((resolve) => setImmediate(resolve))
    expect(adding).toBe(1)
    return await add(...args).finally(() => adding--)
  }
  const here = await stage({ store, limits: { maxWebhooksPerToken: 2 } })
  const made = await Promise.allSettled([make(here, owner), make(here, owner), make(here, owner)])
  expect(made.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
  await expect(make(here, owner)).rejects.toThrow(WebhookLimit)
  const [first] = (await here.webhooks.list({ limit: 1 }, owner)).items
  store.webhooks.change = async (claim, changes) => {
    await store.webhooks.take({ id: claim.id, by: 'another change', until: 0 })
    return await change(claim, changes)
  }
  await expect(here.webhooks.change(first?.id ?? '', { batchSize: 7 }, owner)).rejects.toThrow(WebhookChanged)
})
