/** Holds off: clients that look like many by what they have a proxy say of them, and those that say what is no address. */
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../../src/limits.ts'
import { adminToken, gatewayWithTokens, noJwt } from '../../access/gateway-with-tokens.ts'
import { loopbackHttp } from '../../fixtures/gateway-pair.ts'
import { openStream } from '../../fixtures/stream-client.ts'

const limits = { ...defaultLimits, addressRate: 0.01, addressBurst: 3 }
const behindProxy = () => gatewayWithTokens({ limits, http: { ...loopbackHttp, trustedProxies: ['127.0.0.0/8'] } })

async function statuses(call: Awaited<ReturnType<typeof gatewayWithTokens>>['call'], forwardedFor: string[]): Promise<number[]> {
  const got: number[] = []
  for (const field of forwardedFor)
    got.push((await call('GET', '/v1/node', { token: adminToken, headers: { 'x-forwarded-for': field } })).status)
  return got
}

describe('clients behind a trusted proxy', () => {
  test.each([
    ['with ports', Array.from({ length: 6 }, (_, port) => `198.51.100.1:${40_000 + port}`)],
    ['of IPv6 with ports', Array.from({ length: 6 }, (_, port) => `[2001:db8::1]:${40_000 + port}`)],
    ['of one network of IPv6', Array.from({ length: 6 }, (_, host) => `2001:db8:0:7::${host}`)],
    [
      'in several spellings',
      ['198.51.100.1', '::ffff:198.51.100.1', '[::ffff:c633:6401]:9', '::FFFF:198.51.100.1', '198.51.100.1:1', '::ffff:c633:6401'],
    ],
    ['behind made-up addresses', Array.from({ length: 6 }, (_, host) => `203.0.113.${host}, 198.51.100.1`)],
  ])('%s are one', async (_, forwardedFor) => {
    const { call } = await behindProxy()
    expect(await statuses(call, forwardedFor)).toEqual([200, 200, 200, 429, 429, 429])
    expect(await statuses(call, ['198.51.100.77'])).toEqual([200])
  })

  test.each(['unknown', '_hidden', 'a.example', '198.51.100.1:x', '198.51.100.1, ', 'for=198.51.100.1'])(
    'that are %j are refused',
    async (field) => {
      const { call } = await behindProxy()
      for (const path of ['/v1/node', '/healthz', '/nowhere']) {
        const answer = await call('GET', path, { token: adminToken, headers: { 'x-forwarded-for': field } })
        expect([answer.status, answer.body.code]).toEqual([400, 'invalid_request'])
      }
    },
  )
})

describe('clients behind a proxy of this host', () => {
  const open = (trustedProxies: string[], more: Partial<typeof limits> = {}) =>
    gatewayWithTokens({
      limits: { ...defaultLimits, maxStreamConnections: 8, ...more },
      access: { insecure: false, adminToken: undefined, jwt: noJwt },
      http: { ...loopbackHttp, trustedProxies },
    })

  test.each([
    ['that is not trusted', [], { 'x-forwarded-for': '198.51.100.1' }],
    ['that is not trusted, and says only that it is there', [], { via: '1.1 proxy' }],
    ['that is trusted, and names nobody', ['127.0.0.1'], {}],
  ])('%s are one client, and take no more than one may', async (_, trustedProxies, headers) => {
    const { gateway, call } = await open(trustedProxies)
    const streams = []
    for (let count = 0; count < 6; count++) streams.push(await openStream(gateway.url, { headers }))
    await expect(openStream(gateway.url, { headers })).rejects.toThrow('503')
    await Promise.all(streams.map((stream) => stream[Symbol.asyncDispose]()))
    expect((await call('GET', '/v1/node', { headers })).status).toBe(200)
  })

  test('do not have the probes of this host for nothing, which stay free beside them', async () => {
    const { call } = await open([], { addressRate: 0.01, addressBurst: 20 })
    const asked = async (headers: Record<string, string>) => (await call('GET', '/healthz', { headers })).status
    const behind: number[] = []
    for (let count = 0; count < 25; count++) behind.push(await asked({ 'x-forwarded-for': '198.51.100.1' }))
    expect(behind).toContain(429)
    for (let count = 0; count < 25; count++) expect(await asked({})).toBe(200)
  })

  test('are not the programs of this host, which may have everything', async () => {
    const { gateway } = await open([])
    const streams = []
    for (let count = 0; count < 8; count++) streams.push(await openStream(gateway.url))
    await Promise.all(streams.map((stream) => stream[Symbol.asyncDispose]()))
  })
})
