import { connect } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { readingMs } from '../../src/http/answer-bytes.ts'
import { defaultLimits } from '../../src/limits.ts'
import { gatewayWithTokens } from '../access/gateway-with-tokens.ts'
import { holdDeadlines } from '../fixtures/held-deadlines.ts'
import { storedMessage } from '../fixtures/messages.ts'

test('a client that reads a page a few bytes at a time keeps its room for a time that the bytes of the page are worth', async () => {
  const limits = { ...defaultLimits, slowClientMs: 654_321 }
  const { gateway, store, call, tokenFor } = await gatewayWithTokens({ limits })
  const { secret: token } = await tokenFor(['read'])
  await store.log.append(
    Array.from({ length: 4 }, (_, number) => ({ ...storedMessage(number + 1, 'orders'), data: Buffer.alloc(1_000_000) })),
  )
  const path = '/v1/messages?limit=4'
  const whole = await call('GET', path, { token, headers: { 'accept-encoding': 'identity' } })
  const bytes = Number(whole.headers.get('content-length'))
  expect(bytes).toBeGreaterThan(4_000_000)
  const passed = holdDeadlines(readingMs(bytes, limits))

  const { hostname, port, host } = new URL(gateway.url)
  const socket = connect({ host: hostname, port: Number(port) })
  onTestFinished(() => void socket.destroy())
  const read = () => new Promise((resolve) => socket.once('data', resolve).resume()).finally(() => socket.pause())
  let hasEnded = false
  socket.once('close', () => {
    hasEnded = true
  })
  socket.on('error', () => undefined)
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  for (let count = 0; count < 3; count++) await read()
  expect(hasEnded).toBe(false)
  passed()
  let received = 0
  socket.on('data', (chunk) => {
    received += chunk.length
  })
  socket.resume()
  await expect.poll(() => hasEnded).toBe(true)
  expect(received).toBeLessThan(bytes)
})

test('a page has a second more for each 16 KiB', () => {
  expect([0, 16_384, 8_388_608].map((bytes) => readingMs(bytes, { slowClientMs: 60_000 }))).toEqual([60_000, 61_000, 572_000])
})
