import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { defaultLimits } from '../../src/limits.ts'
import { loopbackHttp } from '../fixtures/gateway-pair.ts'
import { storedMessage } from '../fixtures/messages.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { adminToken, gatewayWithTokens } from './gateway-with-tokens.ts'

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

describe('requests', () => {
  test('say how much is left, and beyond it are refused with the time to wait', async () => {
    const limits = { ...defaultLimits, tokenRate: 0.001, tokenBurst: 40, addressRate: 10_000, addressBurst: 10_000 }
    const { call, tokenFor } = await gatewayWithTokens({ limits })
    const token = (await tokenFor(['read'])).secret
    const first = await call('GET', '/v1/node', { token })
    expect(first.headers.get('ratelimit-policy')).toBe('"token";q=40')
    expect(first.headers.get('ratelimit')).toBe('"token";r=39;t=1000')
    for (let page = 0; page < 7; page++) expect((await call('GET', '/v1/messages', { token })).status).toBe(200)
    const refused = await call('GET', '/v1/messages', { token })
    expect([refused.status, refused.body.code, refused.body['budget']]).toEqual([429, 'rate_limited', 'token'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await call('GET', '/healthz')).status).toBe(200)
  })

  test('for messages pay for those that they look at, matching or not, before it', async () => {
    const limits = { ...defaultLimits, tokenRate: 0.001, tokenBurst: 120 }
    const { call, store, tokenFor } = await gatewayWithTokens({ limits })
    const token = (await tokenFor(['read'])).secret
    await store.log.append(Array.from({ length: 4_000 }, (_, number) => storedMessage(number + 1, 'orders')))
    const from = '12D3KooWHk59ULY8gDU3k6hvZALKScbgY8cKDLLgcGpqdKvCEpGZ'
    const nothing = () => call('GET', `/v1/messages?from=${from}`, { token })
    expect(await nothing()).toMatchObject({ status: 200, body: { items: [] } })
    expect(await nothing()).toMatchObject({ status: 429, body: { code: 'rate_limited', budget: 'token' } })
    expect(await call('GET', '/v1/node', { token })).toMatchObject({ status: 200 })
  })

  test('with tokens that are not known use the budget of their address up soon', async () => {
    const limits = { ...defaultLimits, addressRate: 0.001, addressBurst: 450 }
    const { call } = await gatewayWithTokens({ limits })
    const statuses: number[] = []
    for (let attempt = 0; attempt < 6; attempt++) statuses.push((await call('GET', '/v1/node', { token: `guess-${attempt}` })).status)
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429])
  })

  test('with tokens that are not known are not looked up once their address owes for those before', async () => {
    const limits = { ...defaultLimits, addressRate: 0.001, addressBurst: 250 }
    const { store } = await gatewayWithTokens()
    let lookups = 0
    const find = (hash: Uint8Array) => {
      lookups++
      return store.tokens.find(hash)
    }
    const { call } = await gatewayWithTokens({ limits, store: { ...store, tokens: { ...store.tokens, find } } })
    for (let attempt = 0; attempt < 50; attempt++) await call('GET', '/v1/node', { token: `guess-${attempt}` })
    expect(lookups).toBe(3)
  })

  test('by a proxy that is trusted count for the client behind it', async () => {
    const limits = { ...defaultLimits, addressRate: 0.001, addressBurst: 3 }
    const statuses = async (trustedProxies: string[]) => {
      const { call } = await gatewayWithTokens({ limits, http: { ...loopbackHttp, trustedProxies } })
      const from = async (address: string) =>
        (await call('GET', '/v1/node', { token: adminToken, headers: { 'x-forwarded-for': address } })).status
      return [await from('192.0.2.1'), await from('192.0.2.2'), await from('192.0.2.3'), await from('192.0.2.4')]
    }
    expect(await statuses(['127.0.0.1'])).toEqual([200, 200, 200, 200])
    expect(await statuses([])).toEqual([200, 200, 200, 429])
  })
})

describe('the stream', () => {
  test('refuses frames beyond the budget by name, and goes on when there is some again', async () => {
    const limits = { ...defaultLimits, tokenRate: 2, tokenBurst: 20 }
    const { gateway, tokenFor } = await gatewayWithTokens({ limits })
    const token = (await tokenFor(['publish'])).secret
    await using stream = await openStream(gateway.url, { headers: bearer(token) })
    for (let id = 0; id < 30; id++) stream.send({ type: 'publish', id, topic: 'orders', data: 'x' })
    await stream.until(() => stream.frames.filter(({ type }) => type === 'published' || type === 'error').length === 30)
    const refused = stream.frames.filter((frame) => frame.type === 'error')
    expect(refused.length).toBeGreaterThan(10)
    expect(refused.length).toBeLessThan(25)
    for (const frame of refused) expect(frame).toMatchObject({ code: 'rate_limited', retryable: true, retryAfterMs: expect.any(Number) })
    await expect
      .poll(async () => {
        stream.send({ type: 'ping', id: 'again' })
        return await Promise.race([stream.expect('pong').then(() => true), new Promise((resolve) => setTimeout(resolve, 50, false))])
      })
      .toBe(true)
  })

  test('maxStreamConnectionsPerToken, maxStreamConnectionsPerAddress: one more is refused, and taken when another has left', async () => {
    for (const [limit, message] of [
      [{ maxStreamConnectionsPerToken: 2 }, 'This client has reached its share of 2'],
      [{ maxStreamConnectionsPerAddress: 2 }, 'This address has reached its share of 2'],
    ] as const) {
      const { gateway, tokenFor } = await gatewayWithTokens({ limits: { ...defaultLimits, ...limit } })
      const [one, other] = [(await tokenFor(['read'])).secret, (await tokenFor(['read'])).secret]
      const first = await openStream(gateway.url, { headers: bearer(one) })
      await using _second = await openStream(gateway.url, { headers: bearer(one) })
      const third = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream`, { headers: bearer(one) })
      const [, response] = await once(third, 'unexpected-response')
      let body = ''
      for await (const chunk of response) body += chunk
      expect(response.statusCode).toBe(503)
      expect(body).toContain(message)
      third.on('error', () => undefined)
      third.terminate()
      if ('maxStreamConnectionsPerToken' in limit) await (await openStream(gateway.url, { headers: bearer(other) }))[Symbol.asyncDispose]()
      await first[Symbol.asyncDispose]()
      await expect
        .poll(
          async () =>
            await openStream(gateway.url, { headers: bearer(one) }).then(
              (stream) => stream[Symbol.asyncDispose]().then(() => true),
              () => false,
            ),
        )
        .toBe(true)
    }
  })
})
