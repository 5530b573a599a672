import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, onTestFinished, test } from 'vitest'
import { type AppOverrides, appForTest } from './app-for-test.ts'

const body = '{"topic":"orders"}'

test.each([
  'application/json',
  'APPLICATION/JSON',
  'Application/Json; Charset=UTF-8',
  'application/json;charset=utf-8',
  'application/json; charset="utf-8"',
  'application/json ; charset=utf8',
  'application/json\t',
  'application/json\t; charset=utf-8',
  'application/json; profile="a;b"',
  'application/json;',
])('reads a body as %j', async (type) => {
  const { call } = await appForTest()
  expect((await call('POST', '/v1/topics', { raw: body, headers: { 'content-type': type } })).status).toBe(201)
})

test.each([
  'text/plain',
  'text/plain; charset=application/json',
  'application/foo+json',
  'application/json+foo',
  'application/jsonp',
  'application/json5',
  'application/problem+json',
  'text/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/octet-stream',
  'application/json, text/plain',
  'application/json text/plain',
  'application/json\tx; charset=utf-8',
  'application/ json',
  'application',
  '*/*',
  'json',
  'application/json; charset=utf-16',
  'application/json; charset=iso-8859-1',
])('refuses a body as %j with 415 and joins nothing', async (type) => {
  const { call, store } = await appForTest()
  const answer = await call('POST', '/v1/topics', { raw: body, headers: { 'content-type': type } })
  expect(answer).toMatchObject({ status: 415, body: { code: 'unsupported_media_type' } })
  expect(await store.topics.joined()).toEqual([])
})

test('refuses a body without a type, and one that is compressed', async () => {
  const { call } = await appForTest()
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  expect(await call('POST', '/v1/topics', { raw: gzipSync(body), headers })).toMatchObject({ status: 415 })
  expect(await call('POST', '/v1/topics', { raw: Buffer.from(body), headers: { 'content-type': '' } })).toMatchObject({ status: 415 })
})

test.each([
  ['{', 'invalid_json'],
  ['{"topic":"orders"', 'invalid_json'],
  ["{'topic':'orders'}", 'invalid_json'],
  ['{"topic":"orders"} x', 'invalid_json'],
  ['{"topic":"orders","__proto__":{"a":1}}', 'invalid_request'],
  ['{"topic":"orders","\\u005f_proto__":{"a":1}}', 'invalid_request'],
  ['{"topic":"orders","constructor":{"prototype":{"a":1}}}', 'invalid_request'],
  [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), 'invalid_json'],
  ['null', 'invalid_request'],
  ['[]', 'invalid_request'],
  ['7', 'invalid_request'],
  ['', 'invalid_request'],
])('answers the body %j with %s', async (raw, code) => {
  const { call, store } = await appForTest()
  const answer = await call('POST', '/v1/topics', { raw, headers: { 'content-type': 'application/json' } })
  expect(answer).toMatchObject({ status: 400, body: { code } })
  expect(await store.topics.joined()).toEqual([])
})

test('refuses null as the body of every operation that takes one, also where it may be absent', async () => {
  const { app, call } = await appForTest()
  const { paths } = JSON.parse((await app.inject('/openapi.json')).payload) as {
    paths: Record<string, Record<string, { requestBody?: object }>>
  }
  const taking = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations).flatMap(([method, { requestBody }]) =>
      requestBody === undefined ? [] : [[method.toUpperCase(), path] as const],
    ),
  )
  expect(taking.length).toBeGreaterThan(10)
  for (const [method, path] of taking) {
    const answer = await call(method, path.replaceAll(/\{\w+\}/g, 'x'), { raw: 'null', headers: { 'content-type': 'application/json' } })
    expect(answer, `${method} ${path}`).toMatchObject({ status: 400, body: { code: 'invalid_request' } })
  }
})

test('ignores a body where none is expected: on GET and DELETE, whatever it is', async () => {
  const { call, publish } = await appForTest()
  await publish('orders', 'one')
  for (const type of ['application/json', 'text/plain']) {
    const options = { raw: '{', headers: { 'content-type': type } }
    expect((await call('GET', '/v1/topics/orders', options)).status).toBe(200)
    expect((await call('DELETE', '/v1/topics/orders', options)).status).toBe(204)
  }
  expect((await call('DELETE', '/v1/topics/orders', { headers: { 'content-type': 'application/json' } })).status).toBe(204)
})

test('needs no body where it may be left out, but reads the one it gets', async () => {
  const { call } = await appForTest()
  expect((await call('PUT', '/v1/topics/a')).status).toBe(201)
  expect((await call('PUT', '/v1/topics/a', { raw: '', headers: { 'content-type': 'application/json' } })).status).toBe(200)
  expect((await call('PUT', '/v1/topics/a', { raw: '{', headers: { 'content-type': 'application/json' } })).body.code).toBe('invalid_json')
  expect((await call('PUT', '/v1/topics/a', { raw: 'x', headers: { 'content-type': 'text/plain' } })).status).toBe(415)
})

/** Sends spaces to a topic's body in chunks of one byte, until it is whole or the connection is cut. Answers how many were written. */
async function sendInBytes(count: number, headers: string[], overrides: AppOverrides = {}): Promise<{ status: number; written: number }> {
  const { app } = await appForTest(overrides)
  const address = app.server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const socket = connect(address.port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  const closed = new Promise((resolve) => socket.once('close', resolve))
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1')
  })
  const head = ['POST /v1/topics HTTP/1.1', 'Host: 127.0.0.1', 'Content-Type: application/json', 'Transfer-Encoding: chunked', ...headers]
  socket.write(`${head.join('\r\n')}\r\n\r\n12\r\n{"topic":"orders"}\r\n`)
  const piece = '1\r\n \r\n'.repeat(10_000)
  let written = 0
  for (; written < count && !socket.destroyed; written += 10_000) {
    if (!socket.write(piece)) await Promise.race([new Promise((resolve) => socket.once('drain', resolve)), closed])
  }
  if (!socket.destroyed) socket.write('0\r\n\r\n')
  await closed
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1]), written }
}

test('reads a body in 40,000 chunks of a byte, which take the room of their bytes', async () => {
  expect(await sendInBytes(40_000, ['Connection: close'])).toEqual({ status: 201, written: 40_000 })
})

test('each chunk of a body counts: who sends too many small ones is refused, and cut when that is not the end of them', async () => {
  const endless = 10_000_000
  const { status, written } = await sendInBytes(endless, [], { limits: { tokenRate: 1, tokenBurst: 1_000 } })
  expect(status).toBe(429)
  expect(written).toBeLessThan(endless)
})

test('a body that is nested too deeply is refused before it is parsed, which would take long', async () => {
  const { call } = await appForTest()
  const nested = `${'['.repeat(700_000)}${']'.repeat(700_000)}`
  for (const raw of [nested, `{"data":${nested},"encoding":"json"}`]) {
    const answer = await call('POST', '/v1/topics/x/messages', { raw, headers: { 'content-type': 'application/json' } })
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_json', detail: 'The body is nested too deeply.' } })
  }
})

test('the members of objects are charged before they are parsed: with new names they take four times as long as other text', async () => {
  const { call } = await appForTest({ limits: { tokenRate: 1, tokenBurst: 500 } })
  const headers = { 'content-type': 'application/json' }
  const members = JSON.stringify(Object.fromEntries(Array.from({ length: 90_000 }, (_, number) => [number.toString(36), 1])))
  const post = async (data: string) => await call('POST', '/v1/topics/x/messages', { raw: `{"data":${data},"encoding":"json"}`, headers })
  expect(await post(members)).toMatchObject({ status: 429, body: { code: 'rate_limited', budget: 'token' } })
  expect((await post(`"${'x'.repeat(members.length - 2)}"`)).status).toBe(201)
})
