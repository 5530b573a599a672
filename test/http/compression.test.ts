import { get, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { compressAnswers } from '../../src/http/compression.ts'
import { defaultLimits } from '../../src/limits.ts'
import { appForTest } from './app-for-test.ts'

async function setUp() {
  const { app, publish } = await appForTest()
  const { port } = app.server.address() as { port: number }
  /** The response as it came over the socket. */
  async function fetchRaw(path: string, acceptEncoding?: string): Promise<IncomingMessage & { bytes: Buffer }> {
    const headers = acceptEncoding === undefined ? {} : { 'accept-encoding': acceptEncoding }
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    get({ port, path, headers }, resolve).on('error', reject)
    const answer = await promise
    return Object.assign(answer, { bytes: await buffer(answer) })
  }
  return { publish, fetchRaw }
}

test.each([
  ['gzip', 'gzip', gunzipSync],
  ['deflate, gzip;q=0.5, br', 'br', brotliDecompressSync],
  ['gzip, br, zstd', 'zstd', zstdDecompressSync],
  ['*', 'gzip', gunzipSync],
])('a large response is compressed as the client accepts it: %s', async (accepted, encoding, decompress) => {
  const { publish, fetchRaw } = await setUp()
  await publish('orders', 'x'.repeat(200_000))
  const plain = await fetchRaw('/v1/messages')
  expect(plain.headers['content-encoding']).toBeUndefined()
  const answer = await fetchRaw('/v1/messages', accepted)
  expect(answer.headers['content-encoding']).toBe(encoding)
  expect(answer.headers.vary).toContain('accept-encoding')
  expect(answer.bytes.length).toBeLessThan(10_000)
  expect(decompress(answer.bytes)).toEqual(plain.bytes)
})

test('other responses are not: small ones, the bytes of a message, and for clients that accept no encoding of ours', async () => {
  const { publish, fetchRaw } = await setUp()
  const { id } = await publish('orders', 'x'.repeat(200_000))
  await publish('small', 'x')
  for (const [path, accepted] of [
    ['/v1/topics/small/messages', 'gzip'],
    [`/v1/messages/${id}/data`, 'gzip'],
    ['/v1/messages', 'deflate'],
    ['/v1/messages', 'identity'],
    ['/v1/messages', 'gzip;q=0'],
    ['/v1/messages', ';;,=q'],
  ] as const) {
    const answer = await fetchRaw(path, accepted)
    expect([path, accepted, answer.statusCode, answer.headers['content-encoding']]).toEqual([path, accepted, 200, undefined])
  }
})

test('few responses are compressed at a time, and fewer of one client; the others are sent as they are', async () => {
  const app = fastify()
  onTestFinished(() => app.close())
  app.decorateRequest('client')
  app.addHook('onRequest', async (request) => {
    request.client = { address: request.ip, protocol: 'http', isFromHost: false }
  })
  await compressAnswers(app, { limits: defaultLimits })
  const text = 'a line of a response\n'.repeat(50_000)
  app.get('/', async (_request, reply) => reply.type('text/plain').send(text))
  // All of them are sent in one turn of the event loop, in which no compression ends.
  const ask = async (remoteAddress: string) => await app.inject({ url: '/', remoteAddress, headers: { 'accept-encoding': 'gzip' } })
  const answers = await Promise.all(['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2', '192.0.2.2', '192.0.2.3'].map(ask))
  expect(answers.map(({ headers }) => headers['content-encoding'])).toEqual([
    ...['gzip', 'gzip', undefined, undefined],
    ...['gzip', undefined],
    ...[undefined],
  ])
  for (const { headers, rawPayload } of answers)
    expect((headers['content-encoding'] === 'gzip' ? gunzipSync(rawPayload) : rawPayload).toString()).toBe(text)
  expect((await ask('192.0.2.3')).headers['content-encoding']).toBe('gzip')
})
