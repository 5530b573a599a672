import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { conditions, DialFailed, IdempotencyInProgress, Overloaded, PeergateError, StoreUnavailable } from '../../src/errors.ts'
import { retryAfterSeconds } from '../../src/http/problem.ts'
import { appForTest } from './app-for-test.ts'

const uuid = /^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

test('is a problem document that names its kind and the request', async () => {
  const { call } = await appForTest()
  const answer = await call('GET', '/v1/topics/nowhere')
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8')
  expect(answer.body).toEqual({
    type: 'urn:peergate:error:topic_not_found',
    title: 'Topic not found',
    status: 404,
    detail: expect.any(String),
    instance: expect.stringMatching(uuid),
    code: 'topic_not_found',
    retryable: false,
  })
})

test.each(['/console', '/v1', '/v1/', '/v1/nothing', '/v1/topics/a/b', '/V1/node', '/v1/node/', '/v1//node', '//v1/node'])(
  'does not find %s',
  async (path) => {
    const { call } = await appForTest()
    for (const method of ['GET', 'POST', 'DELETE', 'PROPFIND']) {
      expect(await call(method, path, { raw: 'x', headers: { 'content-type': 'text/plain' } })).toMatchObject({
        status: 404,
        body: { code: 'route_not_found' },
      })
    }
  },
)

test.each([
  ['/v1/node', 'GET, HEAD'],
  ['/v1/topics', 'GET, HEAD, POST'],
  ['/v1/topics/orders', 'PUT, PATCH, GET, HEAD, DELETE'],
  ['/v1/messages', 'POST, GET, HEAD'],
  ['/v1/stream', 'GET, HEAD'],
  ['/healthz', 'GET, HEAD'],
])('%s answers 405 to other methods and allows %s', async (path, allow) => {
  const { call } = await appForTest()
  for (const method of ['LOCK', 'TRACE', 'PROPFIND', 'OPTIONS', 'QUERY']) {
    expect(await call(method, path, { raw: 'x', headers: { 'content-type': 'text/plain' } })).toMatchObject({
      status: 405,
      headers: { allow },
      body: { code: 'method_not_allowed' },
    })
  }
})

test('answers HEAD as GET, without the body', async () => {
  const { call, publish } = await appForTest()
  const { id } = await publish('orders', 'one')
  for (const path of ['/v1/node', '/v1/topics', '/v1/messages', `/v1/messages/${id}/data`, '/healthz', '/openapi.yaml']) {
    const [get, head] = [await call('GET', path), await call('HEAD', path)]
    expect([head.status, head.headers['content-type'], head.text ?? '']).toEqual([get.status, get.headers['content-type'], ''])
  }
  expect((await call('HEAD', '/v1/topics/nowhere')).status).toBe(404)
})

test('tells nothing of the inside when something breaks, but logs it under the name of the request', async () => {
  const lines: string[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  const broken = async (): Promise<never> => {
    throw new Error('secret path /var/lib')
  }
  const { call } = await appForTest({ components: { node: broken, logger } })
  const answer = await call('GET', '/v1/node')
  expect(answer).toMatchObject({ status: 500, body: { code: 'internal_error', retryable: true } })
  expect(answer.text).not.toContain('secret')
  const id = answer.body.instance.replace('urn:uuid:', '')
  expect(lines.filter((line) => line.includes(id) && line.includes('secret path'))).toHaveLength(1)
})

test('logs nothing of what clients or peers say at the usual level', async () => {
  const lines: string[] = []
  const logger = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  const { call, publish } = await appForTest({ components: { logger } })
  await publish('marker', 'marker')
  await call('GET', '/v1/topics/marker%09')
  await call('GET', '/v1/messages?marker=1')
  await call('POST', '/v1/peers', { json: { multiaddr: '/memory/marker' } })
  await call('GET', '/v1/topics/%ff?marker')
  await call('GET', '/marker', { headers: { 'user-agent': 'marker', host: 'marker' } })
  expect(lines.filter((line) => line.includes('marker'))).toEqual([])
})

test.each([
  [new StoreUnavailable('The database is locked.', { cause: new Error('secret') }), 503, '1'],
  [new Overloaded('Wait.', { retryAfterMs: 1_001 }), 503, '2'],
  [new Overloaded('Wait.', { retryAfterMs: 5_000 }), 503, '5'],
  [new Overloaded('Wait.', { retryAfterMs: 0 }), 503, '1'],
])('says in whole seconds when to come back: %s', async (error, status, retryAfter) => {
  const publish = async (): Promise<never> => {
    throw error
  }
  const { call } = await appForTest({ components: { publisher: { check: () => undefined, enqueue: publish } } })
  const answer = await call('POST', '/v1/topics/a/messages', { json: { data: '' } })
  expect(answer).toMatchObject({ status, body: { code: error.code, retryable: true }, headers: { 'retry-after': retryAfter } })
  expect(answer.text).not.toContain('secret')
})

test.each(['/v1/messages', '/v1/topics/orders/messages'])('refuses before the body is read what there is no room for: %s', async (path) => {
  const check = () => {
    throw new Overloaded('Wait.', { retryAfterMs: 1_000 })
  }
  const absent = (): never => expect.unreachable()
  const { call } = await appForTest({ components: { publisher: { check, enqueue: absent } } })
  const answer = await call('POST', path, { raw: 'no JSON', headers: { 'content-type': 'application/json' } })
  expect([answer.status, answer.body.code]).toEqual([503, 'overloaded'])
})

test('says when to come back with every 429 and 503, with a 409 that a wait mends, and with nothing else', () => {
  for (const condition of conditions) {
    const seconds = retryAfterSeconds(new PeergateError(condition, ''))
    expect(seconds !== undefined).toBe([429, 503].includes(condition.status))
  }
  expect(retryAfterSeconds(new IdempotencyInProgress('', { retryAfterMs: 1 }))).toBe(1)
  expect(retryAfterSeconds(new DialFailed('', { retryAfterMs: 1 }))).toBeUndefined()
})

test.each([
  ['its header fields', 'GET /v1/node HTTP/1.1\r\nHost: localhost\r\n'],
  ['its body', 'POST /v1/topics HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n{'],
])('answers a client that does not finish %s with client_timeout', async (_, bytes) => {
  const { app } = await appForTest()
  app.server.headersTimeout = 1
  app.server.requestTimeout = 1
  const socket = connect(portOf(app), '127.0.0.1')
  socket.write(bytes)
  const [head, body = ''] = (await text(socket)).split('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n.*Content-Type: application\/problem\+json/s)
  expect(JSON.parse(body)).toMatchObject({ status: 408, code: 'client_timeout', retryable: true, instance: expect.stringMatching(uuid) })
})

test('gives up the work for a client that left', async () => {
  const asked = Promise.withResolvers<AbortSignal>()
  const publish = async (_message: unknown, { signal }: { signal: AbortSignal }): Promise<never> => {
    asked.resolve(signal)
    return await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  const { app } = await appForTest({ components: { publisher: { check: () => undefined, enqueue: publish } } })
  const client = new AbortController()
  const request = fetch(`http://127.0.0.1:${portOf(app)}/v1/topics/a/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"data":""}',
    signal: client.signal,
  })
  const signal = await asked.promise
  expect(signal.aborted).toBe(false)
  client.abort()
  await expect(request).rejects.toThrow()
  await expect.poll(() => signal.aborted).toBe(true)
})

function portOf(app: FastifyInstance): number {
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening')
  return address.port
}
