import { get, type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import { expect, test } from 'vitest'
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
