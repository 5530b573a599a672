import { expect, test } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { adminToken, gatewayWithTokens } from '../access/gateway-with-tokens.ts'
import { dataOf, receiver } from './stage.ts'

const webhookHosts = ['127.0.0.1']

test('are made, read, changed, tested and deleted by the token that made them, and messages are sent meanwhile', async () => {
  const { call, tokenFor } = await gatewayWithTokens({ webhookHosts })
  const { url, received } = await receiver(() => ({ body: 'thanks' }))
  const { id, secret: token } = await tokenFor(['webhooks', 'read', 'publish'], ['orders.>'])
  const made = await call('POST', '/v1/webhooks', { token, body: { url, topics: ['orders.>'], headers: [{ name: 'X-Own', value: 'a' }] } })
  expect(made).toMatchObject({
    status: 201,
    body: { state: 'active', topics: ['orders.>'], secret: expect.stringMatching(/^whsec_/), failures: 0 },
  })
  const path = `/v1/webhooks/${made.body['id']}`
  expect(made.headers.get('location')).toBe(path)
  await call('POST', '/v1/topics/orders.a/messages', { token, body: { data: '1' } })
  await expect.poll(() => dataOf(received)).toEqual(['1'])
  expect(received[0]?.headers).toMatchObject({ 'x-own': 'a', 'webhook-id': expect.any(String) })
  expect((await call('GET', path, { token })).body).not.toHaveProperty('secret')
  // The value of a header field is a secret too, also for other tokens with `admin`.
  expect([made.body['headers'], (await call('GET', '/v1/webhooks', { token: adminToken })).body.items?.[0]?.headers]).toEqual(
    Array(2).fill([{ name: 'X-Own' }]),
  )
  expect((await call('GET', '/v1/webhooks', { token })).body).toMatchObject({ items: [{ id: made.body['id'], createdBy: id }], next: null })
  expect((await call('POST', `${path}/test`, { token })).body).toMatchObject({ status: 200, error: null, body: 'thanks' })
  expect(received.at(-1)?.body).toMatchObject({ type: 'test', items: [] })
  await expect.poll(async () => (await call('GET', `${path}/attempts`, { token })).body.items).toMatchObject([{ status: 200, messages: 1 }])
  expect((await call('PATCH', path, { token, body: { state: 'paused', batchSize: 7 } })).body).toMatchObject({
    state: 'paused',
    batchSize: 7,
    url,
  })
  await call('POST', `${path}/test`, { token })
  expect(received.at(-1)?.headers).toMatchObject({ 'x-own': 'a' })
  expect([(await call('DELETE', path, { token })).status, (await call('GET', path, { token })).status]).toEqual([204, 404])
})

test('are refused where the token lacks the action, the topics or direct messages, and to tokens that did not make them', async () => {
  const { call, tokenFor } = await gatewayWithTokens({ webhookHosts })
  const body = { url: 'http://127.0.0.1:9/', topics: ['orders'] }
  const create = async (actions: string[], asked: object = body) => {
    const { secret } = await tokenFor(actions, ['orders'])
    return await call('POST', '/v1/webhooks', { token: secret, body: asked })
  }
  expect((await create(['read'])).status).toBe(403)
  expect((await create(['webhooks'])).status).toBe(403)
  expect((await create(['webhooks', 'read'], { ...body, topics: ['other'] })).status).toBe(403)
  expect((await create(['webhooks', 'read'], { ...body, direct: true })).status).toBe(403)
  const made = await create(['webhooks', 'read', 'direct'], { ...body, direct: true })
  expect(made.status).toBe(201)
  const path = `/v1/webhooks/${made.body['id']}`
  const { secret: other } = await tokenFor(['webhooks', 'read'])
  for (const [method, of] of [
    ['GET', path],
    ['PATCH', path],
    ['DELETE', path],
    ['POST', `${path}/secret`],
    ['POST', `${path}/test`],
    ['GET', `${path}/attempts`],
  ])
    expect(
      (await call(method ?? '', of ?? '', { token: other, ...(method === 'PATCH' ? { body: { state: 'paused' } } : {}) })).body.code,
    ).toBe('webhook_not_found')
  expect((await call('GET', '/v1/webhooks', { token: other })).body.items).toEqual([])
  // Who administers the gateway sees all of them and stops them, but does not send with the rights of another.
  expect((await call('GET', '/v1/webhooks', { token: adminToken })).body.items).toHaveLength(1)
  expect((await call('PATCH', path, { token: adminToken, body: { state: 'paused' } })).body).toMatchObject({ state: 'paused' })
  expect((await call('PATCH', path, { token: adminToken, body: { url: 'http://127.0.0.1:10/' } })).status).toBe(403)
  expect((await call('POST', `${path}/secret`, { token: adminToken })).status).toBe(403)
})

test('end with the token that made them', async () => {
  const { call, tokenFor } = await gatewayWithTokens({ webhookHosts })
  const { url, received } = await receiver()
  const { id, secret: token } = await tokenFor(['webhooks', 'read'])
  const made = await call('POST', '/v1/webhooks', { token, body: { url, topics: ['orders'] } })
  await call('DELETE', `/v1/tokens/${id}`, { token: adminToken })
  await call('POST', '/v1/topics/orders/messages', { token: adminToken, body: { data: '1' } })
  const read = async () => (await call('GET', `/v1/webhooks/${made.body['id']}`, { token: adminToken })).body
  await expect.poll(read).toMatchObject({ state: 'paused', lastError: 'The token that made this webhook was revoked.' })
  expect(received).toEqual([])
})

test('sign with both secrets after a rotation, and show the secret only once', async () => {
  const { call } = await gatewayWithTokens({ webhookHosts })
  const { url, received } = await receiver()
  const made = await call('POST', '/v1/webhooks', { token: adminToken, body: { url, topics: ['orders'] } })
  const path = `/v1/webhooks/${made.body['id']}`
  const rotated = await call('POST', `${path}/secret`, { token: adminToken })
  expect(rotated.body).toMatchObject({ secret: expect.stringMatching(/^whsec_/), oldSecretUntil: expect.any(String) })
  expect(rotated.body['secret']).not.toBe(made.body['secret'])
  await call('POST', `${path}/test`, { token: adminToken })
  expect(String(received[0]?.headers['webhook-signature']).match(/v1,/g)).toHaveLength(2)
})

test('are refused by what they ask for', async () => {
  const { call } = await gatewayWithTokens({ webhookHosts })
  const create = async (body: object) =>
    (await call('POST', '/v1/webhooks', { token: adminToken, body: { url: 'https://example.com/', topics: ['a'], ...body } })).body
  expect(await create({ url: 'ftp://example.com/' })).toMatchObject({ code: 'invalid_webhook', errors: [{ path: '/url' }] })
  expect(await create({ url: 'http://10.0.0.1/' })).toMatchObject({ code: 'dial_forbidden' })
  expect(await create({ topics: [] })).toMatchObject({ code: 'invalid_webhook', errors: [{ path: '/topics' }] })
  expect(await create({ headers: [{ name: 'Webhook-Id', value: 'x' }] })).toMatchObject({
    code: 'invalid_webhook',
    errors: [{ path: '/headers/0/name' }],
  })
  expect(await create({ headers: [{ name: 'a', value: 'x\r\ny: z' }] })).toMatchObject({ code: 'invalid_request' })
  expect(await create({ after: 'k3v9q2.7' })).toMatchObject({ code: 'cursor_epoch_mismatch' })
  expect(await create({ timeoutMs: 60_000 })).toMatchObject({ code: 'invalid_request' })
})

test('are bounded in number, for a token and in all', async () => {
  const { call, tokenFor } = await gatewayWithTokens({ webhookHosts, limits: { ...defaultLimits, maxWebhooks: 3, maxWebhooksPerToken: 2 } })
  const create = async (token: string) =>
    (await call('POST', '/v1/webhooks', { token, body: { url: 'http://127.0.0.1:9/', topics: ['a'] } })).body.code
  const [one, other] = [await tokenFor(['webhooks', 'read']), await tokenFor(['webhooks', 'read'])]
  expect([await create(one.secret), await create(one.secret), await create(one.secret)]).toEqual([undefined, undefined, 'webhook_limit'])
  expect([await create(other.secret), await create(other.secret)]).toEqual([undefined, 'webhook_limit'])
})
