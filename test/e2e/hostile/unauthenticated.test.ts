/** Holds off: requests without a token, in numbers: probes, documents, refusals. They count by the address they come from. */
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../../src/limits.ts'
import { adminToken, gatewayWithTokens } from '../../access/gateway-with-tokens.ts'
import { loopbackHttp } from '../../fixtures/gateway-pair.ts'

const limits = { ...defaultLimits, addressRate: 0.01, addressBurst: 3 }
const stranger = { 'x-forwarded-for': '198.51.100.1' }

describe('requests without a token', () => {
  test.each([
    ['GET', '/healthz', 200],
    ['GET', '/readyz', 200],
    ['GET', '/docs', 200],
    ['GET', '/v1/node', 401],
    ['GET', '/nowhere', 404],
    ['PUT', '/v1/node', 405],
    ['GET', '/%ff', 400],
    ['GET', `/v1/topics/${'x'.repeat(4_000)}`, 414],
    ['GET', '/healthz?a=%', 400],
    ['DELETE', '/v1/session', 204],
  ])('%s %s is answered %d a number of times, and no more', async (method, path, status) => {
    const { call } = await gatewayWithTokens({ limits, http: { ...loopbackHttp, trustedProxies: ['127.0.0.1'] } })
    const answers: number[] = []
    for (let count = 0; count < 5; count++) answers.push((await call(method, path, { headers: stranger })).status)
    expect(answers).toEqual([status, status, status, 429, 429])
    const other = await call('GET', '/v1/node', { token: adminToken, headers: { 'x-forwarded-for': '198.51.100.2' } })
    expect(other.status).toBe(200)
  })

  test('of a Host or an Origin that is not allowed count too', async () => {
    const { call } = await gatewayWithTokens({ limits, http: { ...loopbackHttp, trustedProxies: ['127.0.0.1'] } })
    const answers: number[] = []
    for (let count = 0; count < 4; count++)
      answers.push((await call('GET', '/v1/node', { headers: { ...stranger, origin: 'https://evil.example' } })).status)
    expect(answers).toEqual([403, 403, 403, 429])
  })

  test('that probe from this host are always answered', async () => {
    const { call } = await gatewayWithTokens({ limits })
    const answers: number[] = []
    for (let count = 0; count < 5; count++) answers.push((await call('GET', '/v1/node', { token: adminToken })).status)
    expect(answers).toContain(429)
    for (const path of ['/healthz', '/readyz', '/startedz'])
      for (let count = 0; count < 5; count++) expect((await call('GET', path)).status).toBe(200)
  })
})

test('clients without a token, where none is needed, have each a budget of their own', async () => {
  const { call } = await gatewayWithTokens({
    limits: { ...defaultLimits, tokenRate: 0.01, tokenBurst: 3 },
    access: {
      insecure: true,
      adminToken: undefined,
      jwt: { jwksUrl: undefined, secret: undefined, issuer: undefined, audience: undefined },
    },
    http: { ...loopbackHttp, trustedProxies: ['127.0.0.1'] },
  })
  const from = async (address: string) => (await call('GET', '/v1/node', { headers: { 'x-forwarded-for': address } })).status
  for (let count = 0; count < 5; count++) await from('198.51.100.1')
  expect([await from('198.51.100.1'), await from('198.51.100.2')]).toEqual([429, 200])
})
