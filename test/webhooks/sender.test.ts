import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createSender, retryAfter } from '../../src/webhooks/sender.ts'
import { createTargets } from '../../src/webhooks/targets.ts'
import { receiver } from './stage.ts'

const { signal } = new AbortController()

function sender(lookUp?: (name: string) => Promise<string[]>, allowed = ['127.0.0.1']) {
  const made = createSender({ targets: createTargets({ allowed }, { lookUp }) })
  onTestFinished(() => made.close())
  return made
}

const request = (url: string, timeoutMs = 10_000) => ({ url, client: 'tok_1', headers: { 'x-own': 'yes' }, body: '{"a":1}', timeoutMs })

/** A server that answers with these bytes, and then leaves the connection open. */
async function raw(bytes: string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write(bytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const open = new Set<{ destroy(): unknown }>()
  server.on('connection', (socket) => void open.add(socket))
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

test('posts the body with its header fields, and takes any 2xx as accepted', async () => {
  const { url, received } = await receiver(() => ({ status: 202, body: 'thanks' }))
  expect(await sender().send(request(url), signal)).toMatchObject({ status: 202, error: undefined, body: 'thanks' })
  expect(received[0]).toMatchObject({ text: '{"a":1}', headers: { 'content-type': 'application/json', 'x-own': 'yes' } })
})

test('connects to the address that was judged, whatever the name resolves to a moment later', async () => {
  const { url, received } = await receiver()
  let lookups = 0
  const rebinding = async () => [lookups++ === 0 ? '127.0.0.1' : '10.255.255.1']
  const named = url.replace('127.0.0.1', 'rebinding.example')
  expect(await sender(rebinding).send(request(named), signal)).toMatchObject({ status: 200 })
  expect([lookups, received.length, received[0]?.headers.host]).toEqual([1, 1, new URL(named).host])
})

test('opens no connection to an address that is not allowed', async () => {
  const { url, received } = await receiver()
  const named = url.replace('127.0.0.1', 'inside.example')
  const answer = await sender(async () => ['127.0.0.1'], []).send(request(named), signal)
  expect(answer).toMatchObject({ status: null, error: expect.stringContaining('the host has no public address') })
  expect(received).toEqual([])
})

test('follows no redirect', async () => {
  const other = await receiver()
  const { url } = await receiver(() => ({ status: 307, headers: { location: other.url } }))
  expect(await sender().send(request(url), signal)).toMatchObject({
    status: 307,
    error: expect.stringContaining('redirects are not followed'),
  })
  expect(other.received).toEqual([])
})

test('reads 64 KiB of an answer, and closes the connection of one that goes on', async () => {
  const url = await raw(`HTTP/1.1 200 OK\r\n\r\n${'a'.repeat(70_000)}`)
  const { status, error, body } = await sender().send(request(url), signal)
  expect([status, error, body]).toEqual([200, undefined, 'a'.repeat(4_096)])
})

test('gives up a receiver that sends informational responses without end', async () => {
  const url = await raw('HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20_000))
  const { status, error } = await sender().send(request(url), signal)
  expect([status, error]).toEqual([null, 'the answer has too many informational responses'])
})

test('reads little of an answer in many pieces, each of which costs as much as half a kilobyte', async () => {
  const url = await raw(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${'1\r\na\r\n'.repeat(20_000)}`)
  const { status, error, body } = await sender().send(request(url), signal)
  expect([status, error, body]).toEqual([200, undefined, 'a'.repeat(128)])
})

test.each([
  ['says nothing', ''],
  ['begins an answer and does not end it', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc'],
  ['begins an answer that ends with the connection, and keeps it', 'HTTP/1.1 200 OK\r\n\r\nabc'],
  ['ends no header', 'HTTP/1.1 200 OK\r\nx: '],
])('a receiver that %s has failed after timeoutMs', async (_, bytes) => {
  expect(await sender().send(request(await raw(bytes), 100), signal)).toMatchObject({ status: null, error: 'no answer within 100 ms' })
})

test('says what went wrong when nobody listens, the answer is no HTTP, or it is an upgrade', async () => {
  const { url, server } = await receiver()
  server.close()
  expect((await sender().send(request(url), signal)).error).toContain('ECONNREFUSED')
  expect((await sender().send(request(await raw('SSH-2.0-x\r\n')), signal)).error).toContain('Parse Error')
  const upgrade = await raw('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
  expect(await sender().send(request(upgrade), signal)).toMatchObject({ status: null, error: expect.any(String) })
})

test('throws the reason of the signal when it fires', async () => {
  const stop = new AbortController()
  const sending = sender().send(request(await raw('')), stop.signal)
  stop.abort(new Error('stopped'))
  await expect(sending).rejects.toThrow('stopped')
})

test('reads Retry-After as seconds or as a date', () => {
  const now = Date.parse('2026-11-29T00:00:00Z')
  expect(
    ['120', 'Sun, 29 Nov 2026 00:01:00 GMT', 'Sat, 28 Nov 2026 00:00:00 GMT', 'soon', undefined].map((text) => retryAfter(text, now)),
  ).toEqual([...[120_000, 60_000, 0, undefined, undefined]])
})
