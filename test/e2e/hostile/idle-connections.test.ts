/** Connections that are held: idle, silent, slow, or with answers that nobody reads; more of them than the process may have open. */
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { GatewayProcess } from '../../fixtures/gateway-process.ts'
import { adminToken, startSmallGateway } from '../../fixtures/small-gateway.ts'

/** A gateway that may have so few files open that a test can take more. */
const descriptors = 160

function start(env: Record<string, string> = {}): Promise<GatewayProcess> {
  return startSmallGateway(env, { under: ['prlimit', `--nofile=${descriptors}:${descriptors}`] })
}

/** Opens many connections that send the same and read what comes. */
function open({ url }: GatewayProcess, count: number, text: string): { sockets: Socket[]; closed(): number } {
  const { hostname, port } = new URL(url)
  let closed = 0
  const sockets = Array.from({ length: count }, () => {
    const socket = connect(Number(port), hostname)
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => undefined)
    socket.once('close', () => closed++)
    socket.resume()
    if (text !== '') socket.write(text)
    return socket
  })
  return { sockets, closed: () => closed }
}

/** New connections of honest clients, among them probes, are served at once. */
async function expectServed({ url }: GatewayProcess): Promise<void> {
  for (const path of ['/healthz', '/readyz', '/v1/topics']) {
    const answer = await fetch(url + path, { headers: { authorization: `Bearer ${adminToken}`, connection: 'close' } })
    expect(answer.status, path).toBe(200)
    await answer.text()
  }
  const published = await fetch(`${url}/v1/topics/x/messages`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, connection: 'close', 'content-type': 'application/json' },
    body: '{"data":"x"}',
  })
  expect(published.status).toBe(201)
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${adminToken}\r\n\r\n`

test.each([
  ['that asked once and stay', get('/healthz')],
  ['that never send a byte', ''],
  ['that send half of a head', 'GET /healthz HTTP/1.1\r\nHost: 127'],
])('400 connections %s take no place from others, by 160 descriptors', { timeout: 60_000 }, async (_, text) => {
  const gateway = await start()
  const { closed } = open(gateway, 400, text)
  // All but as many as there are places have been closed: none waits in the queue of the listener.
  await expect.poll(closed, { timeout: 20_000 }).toBeGreaterThan(400 - descriptors)
  await expectServed(gateway)
  expect(gateway.lines.some((line) => line.includes('"descriptors":160'))).toBe(true)
  expect(gateway.lines.filter((line) => line.includes('EMFILE'))).toEqual([])
})

test('connections that are busy for as long as they like: what is new is refused, and none breaks the gateway', {
  timeout: 60_000,
}, async () => {
  const gateway = await start()
  const waiting = open(gateway, 200, get('/v1/messages?topic=x&after=latest&waitMs=30000'))
  await expect.poll(waiting.closed, { timeout: 20_000 }).toBeGreaterThan(200 - descriptors)
  expect(gateway.lines.filter((line) => line.includes('EMFILE'))).toEqual([])
  for (const socket of waiting.sockets) socket.destroy()
  await expect
    .poll(
      () =>
        expectServed(gateway).then(
          () => true,
          () => false,
        ),
      { timeout: 20_000 },
    )
    .toBe(true)
})

test('a client that takes no answer is cut off, and one that asks for much at once', { timeout: 60_000 }, async () => {
  const gateway = await start({ PEERGATE_SLOW_CLIENT_MS: '1000', PEERGATE_MAX_ANSWER_BYTES: '1000000000' })
  const unread = open(gateway, 20, '')
  for (const socket of unread.sockets) {
    socket.pause()
    socket.write(get('/openapi.json').repeat(40))
  }
  const greedy = open(gateway, 5, get('/v1/messages?topic=x&after=latest&waitMs=30000').repeat(150))
  await expect.poll(greedy.closed, { timeout: 20_000 }).toBe(5)
  const connections = async () =>
    Number(
      /^peergate_http_connections (\d+)/m.exec(
        await (await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } })).text(),
      )?.[1],
    )
  // The one that asks may be there once or twice.
  await expect.poll(connections, { timeout: 30_000, interval: 500 }).toBeLessThan(5)
  await expectServed(gateway)
})
