import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { createKeptDocument, isShared } from '../../src/http/kept-document.ts'
import { appForTest } from './app-for-test.ts'

const address = '192.0.2.1'
const text = Buffer.from('a line of a document\n'.repeat(10_000))

/** An app that serves one document, with how often it was read, what was charged, and the bytes that were sent. */
async function serve(read: () => Promise<Buffer>) {
  const charged: number[] = []
  const sent: unknown[] = []
  const take = (_client: unknown, cost: number, paid = 0) => {
    charged.push(cost - paid)
    return { name: 'address' as const, quota: 1, perSecond: 1, remaining: 1, resetSeconds: 1 }
  }
  const document = createKeptDocument(read, { rates: { take } })
  const app = fastify()
  onTestFinished(() => app.close())
  app.decorateRequest('client')
  app.addHook('onRequest', async (request) => {
    request.client = { address, protocol: 'http', isFromHost: false }
  })
  app.addHook('onSend', async (_request, _reply, payload) => {
    sent.push(payload)
    return payload
  })
  app.get('/', (request, reply) => document.send(request, reply))
  const ask = (accepted: string) => app.inject({ url: '/', headers: { 'accept-encoding': accepted } })
  return { ask, charged, sent }
}

test('a document is read once and compressed once for each coding, however many ask for it at once', async () => {
  let reads = 0
  const { ask, charged, sent } = await serve(async () => {
    reads++
    return text
  })
  for (const [encoding, decompress] of [
    ['zstd', zstdDecompressSync],
    ['br', brotliDecompressSync],
    ['gzip', gunzipSync],
    ['identity', (bytes: Buffer) => bytes],
  ] as const) {
    sent.length = 0
    charged.length = 0
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(encoding)))
    for (const { rawPayload } of answers) expect(decompress(rawPayload).equals(text)).toBe(true)
    const [first] = answers
    expect(first?.headers['content-encoding']).toBe(encoding === 'identity' ? undefined : encoding)
    // The same bytes, which are not copied, and count to the address.
    expect([new Set(sent).size, isShared(sent[0])]).toEqual([1, true])
    expect(charged).toEqual(Array.from({ length: 10 }, () => Math.floor((first?.rawPayload.length ?? 0) / 4_096)))
  }
  expect(reads).toBe(1)
})

test('a document that could not be read is read again', async () => {
  let reads = 0
  const { ask } = await serve(async () => {
    if (reads++ === 0) throw new Error('not yet')
    return text
  })
  expect((await ask('gzip')).statusCode).toBe(500)
  expect(gunzipSync((await ask('gzip')).rawPayload).equals(text)).toBe(true)
})

test('the contract, the explorer and the console cost their address what they are long', async () => {
  const { app } = await appForTest({ limits: { addressRate: 1, addressBurst: 600 } })
  const statuses = []
  for (let count = 0; count < 3; count++) statuses.push((await app.inject('/docs/swagger-ui-bundle.js')).statusCode)
  expect(statuses).toEqual([200, 429, 429])
  expect((await app.inject('/openapi.json')).statusCode).toBe(200)
})
