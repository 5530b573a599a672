import { describe, expect, test } from 'vitest'
import { isMissing, storeKinds, storesForTests } from '../fixtures/every-store.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { adminToken, gatewayWithTokens } from './gateway-with-tokens.ts'

const storeOf = storesForTests()
const peer = '12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7'

interface Contract {
  paths: Record<string, Record<string, { parameters?: Array<{ name: string; in: string }> }>>
}

/** Percent-encoded: NUL alone and within, half of a surrogate pair in UTF-8, a byte that is no UTF-8, and an overlong NUL. */
const inUrls = ['%00', 'a%00b', '%ED%A0%80', '%ff', '%C0%80']
/** As JSON writes them. */
const inJson = ['\u0000', 'a\u0000b', '\ud800', 'a\udfffb']

describe.each(storeKinds)('NUL and half of a surrogate pair, on the %s store', (kind) => {
  const onStore = test.skipIf(isMissing(kind))
  const open = async () => await gatewayWithTokens({ store: await storeOf(kind) })

  onStore('are refused in every part of every path and in every parameter', async () => {
    const { call } = await open()
    const { paths }: Contract = JSON.parse(JSON.stringify((await call('GET', '/openapi.json')).body))
    const asked: Array<[method: string, path: string]> = []
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { parameters = [] }] of Object.entries(methods)) {
        const names = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name)
        for (const text of inUrls) {
          if (path.includes('{')) asked.push([method.toUpperCase(), path.replaceAll(/\{\w+\}/g, text)])
          for (const name of names)
            asked.push([method.toUpperCase(), `${path.replace('{peerId}', peer).replaceAll(/\{\w+\}/g, 'x')}?${name}=${text}`])
        }
      }
    }
    expect(asked.length).toBeGreaterThan(300)
    const wrong: unknown[] = []
    for (const [method, path] of asked) {
      const { status, body } = await call(method, path, { token: adminToken })
      if (status < 400 || status >= 500) wrong.push([method, path, status, body.code])
    }
    expect(wrong).toEqual([])
  })

  onStore('are refused in every text of a body', async () => {
    const { call, store } = await open()
    const wrong: unknown[] = []
    for (const text of inJson) {
      const asked: Array<[method: string, path: string, body: object]> = [
        ['POST', '/v1/tokens', { name: text, actions: ['read'] }],
        ['POST', '/v1/tokens', { name: 'x', actions: [text] }],
        ['POST', '/v1/tokens', { name: 'x', actions: ['read'], topics: [text] }],
        ['POST', '/v1/tokens', { name: 'x', actions: ['read'], expiresAt: text }],
        ['PATCH', `/v1/peers/${peer}`, { label: text }],
        ['POST', '/v1/peers', { multiaddr: text }],
        ['POST', '/v1/peers', { peerId: text }],
        ['POST', '/v1/messages', { messages: [{ topic: text, data: 'x' }] }],
        ['POST', '/v1/topics/orders/messages', { data: 'x', encoding: text }],
        ['POST', '/v1/dht/records', { key: text, data: 'x' }],
        ['PUT', '/v1/log-level', { level: text }],
      ]
      for (const [method, path, body] of asked) {
        const answer = await call(method, path, { token: adminToken, body })
        if (answer.status < 400 || answer.status >= 500) wrong.push([method, path, JSON.stringify(body), answer.status])
      }
    }
    expect(wrong).toEqual([])
    expect(await store.tokens.list()).toEqual([])
    expect(await store.peers.list({ limit: 10 })).toEqual([])
  })

  onStore('are refused in every text of a frame, and the stream goes on', async () => {
    const { gateway } = await open()
    await using stream = await openStream(gateway.url, { headers: { authorization: `Bearer ${adminToken}` } })
    for (const [index, text] of inJson.entries()) {
      const frames = [
        { type: 'subscribe', topics: [text] },
        { type: 'subscribe', topics: ['orders'], subscription: text },
        { type: 'subscribe', topics: ['orders'], after: text },
        { type: 'unsubscribe', subscription: text },
        { type: 'publish', topic: text, data: 'x' },
        { type: 'publish', topic: 'orders', data: 'x', idempotencyKey: text },
        { type: 'send', to: text, data: 'x' },
        { type: 'request', to: peer, service: text, data: 'x' },
        { type: 'serve', service: text },
        { type: 'unserve', service: text },
        { type: 'validate', topic: text },
        { type: 'unvalidate', topic: text },
        { type: 'reply', requestId: text, data: 'x' },
        { type: 'verdict', validationId: text, verdict: 'accept' },
        { type: 'auth', token: text },
      ]
      for (const [number, frame] of frames.entries()) {
        const id = `${index} ${number}`
        stream.send({ ...frame, id })
        const { code } = await stream.expect('error', (error) => error.id === id)
        expect([JSON.stringify(frame), code]).toEqual([JSON.stringify(frame), expect.not.stringMatching('internal')])
      }
    }
  })
})
