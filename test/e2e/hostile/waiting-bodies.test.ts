/** Bytes that wait: bodies that trickle in, requests and frames that wait for peers or services, answers that nobody reads. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import type { GatewayProcess } from '../../fixtures/gateway-process.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'
import { residentMiB } from '../../fixtures/resident-memory.ts'
import { adminToken, startSmallGateway } from '../../fixtures/small-gateway.ts'

const data = 'x'.repeat(1_000_000)
const body = JSON.stringify({ data })
/** What the process may have beside what it has when idle: the room for bytes several times over, as text, as bytes and in sockets. */
const allowedMiB = 450

/** Sends raw HTTP, and tells the status of each answer that comes. */
function rawClient(url: string): { socket: Socket; statuses: number[]; send(text: string): void } {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const statuses: number[] = []
  socket.on('error', () => undefined)
  socket.on('data', (chunk) => {
    for (const [, status] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3})/g)) statuses.push(Number(status))
  })
  onTestFinished(() => void socket.destroy())
  return { socket, statuses, send: (text) => void socket.write(text) }
}

function head(url: string, method: string, path: string, fields: string): string {
  return `${method} ${path} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${adminToken}\r\nContent-Type: application/json\r\n${fields}\r\n\r\n`
}

/** An honest client beside it all, with a token of its own. */
async function honest({ url }: GatewayProcess) {
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const made = await fetch(`${url}/v1/tokens`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ name: 'honest', actions: ['publish', 'read'] }),
  })
  const { secret }: { secret: string } = JSON.parse(await made.text())
  return async () => {
    const answer = await fetch(`${url}/v1/topics/honest/messages`, {
      method: 'POST',
      headers: { ...headers, authorization: `Bearer ${secret}` },
      body,
    })
    await answer.text()
    return answer.status
  }
}

async function expectHealthy(gateway: GatewayProcess, idleMiB: number, publish: () => Promise<number>): Promise<void> {
  expect(await publish()).toBe(201)
  expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
  expect((await residentMiB(gateway.child.pid ?? 0)) - idleMiB).toBeLessThan(allowedMiB)
}

/** Budgets that refuse nothing, so that the room for bytes has to. */
const rich = Object.fromEntries(
  ['TOKEN_RATE', 'TOKEN_BURST', 'ADDRESS_RATE', 'ADDRESS_BURST'].map((name) => [`PEERGATE_${name}`, '1000000000']),
)

async function start(env: Record<string, string> = {}) {
  const gateway = await startSmallGateway({ ...rich, ...env })
  const publish = await honest(gateway)
  expect(await publish()).toBe(201)
  return { gateway, publish, idleMiB: await residentMiB(gateway.child.pid ?? 0) }
}

const waiting: Array<[string, () => Promise<string>]> = [
  ['recipients', async () => '/v1/topics/nobody/messages?minRecipients=90&waitMs=25000'],
  ['a service of a peer that is not there', async () => `/v1/peers/${(await createMemoryIdentity()).peerId}/requests/x`],
]

test.each(waiting)(
  '300 requests of a megabyte that wait for %s: most are refused before they are read',
  { timeout: 120_000 },
  async (_, pathOf) => {
    const { gateway, publish, idleMiB } = await start()
    const path = await pathOf()
    const clients = Array.from({ length: 300 }, () => rawClient(gateway.url))
    for (const { send } of clients) send(head(gateway.url, 'POST', path, `Content-Length: ${body.length}`))
    // Nothing of their bodies has been sent: the head alone decides.
    const refused = () => clients.filter(({ statuses }) => statuses.includes(503)).length
    await expect.poll(refused).toBeGreaterThan(200)
    for (const { socket, statuses } of clients) if (statuses.length === 0) socket.write(body)
    await expectHealthy(gateway, idleMiB, publish)
  },
)

test('300 bodies in chunks that never end: they count as they arrive', { timeout: 120_000 }, async () => {
  const { gateway, publish, idleMiB } = await start()
  const clients = Array.from({ length: 300 }, () => rawClient(gateway.url))
  const chunk = body.slice(0, 900_000)
  for (const { send } of clients)
    send(`${head(gateway.url, 'POST', '/v1/topics/x/messages', 'Transfer-Encoding: chunked')}${chunk.length.toString(16)}\r\n${chunk}\r\n`)
  await expect.poll(() => clients.filter(({ statuses }) => statuses.includes(503)).length).toBeGreaterThan(200)
  await expectHealthy(gateway, idleMiB, publish)
})

test('300 streams that send most of a large frame: they have room from the head on, or none', { timeout: 120_000 }, async () => {
  const { gateway, publish, idleMiB } = await start()
  const headers = { authorization: `Bearer ${adminToken}` }
  let closed = 0
  const sockets = await Promise.all(
    Array.from({ length: 300 }, async () => {
      const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream`, { headers })
      onTestFinished(() => socket.terminate())
      socket.on('error', () => undefined)
      socket.once('close', () => closed++)
      await once(socket, 'open')
      return socket
    }),
  )
  // Half of a message in two parts, whose second never comes.
  for (const socket of sockets) socket.send(data, { fin: false })
  await expect.poll(() => closed).toBeGreaterThan(200)
  await expectHealthy(gateway, idleMiB, publish)
})

test('requests of streams to a service that answers none: each has its room, or is refused', { timeout: 120_000 }, async () => {
  const { gateway, publish, idleMiB } = await start()
  const open = async () => {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream`, { headers: { authorization: `Bearer ${adminToken}` } })
    onTestFinished(() => socket.terminate())
    const answers: string[] = []
    socket.on('message', (raw) => {
      const { type, code }: { type: string; code?: string } = JSON.parse(raw.toString())
      answers.push(code ?? type)
    })
    await once(socket, 'open')
    return { socket, answers }
  }
  const server = await open()
  server.socket.send(JSON.stringify({ type: 'serve', service: 'silent', concurrency: 1 }))
  await expect.poll(() => server.answers).toContain('serving')
  const asking = await Promise.all(Array.from({ length: 4 }, open))
  for (let id = 0; id < 200; id++)
    asking[id % asking.length]?.socket.send(
      JSON.stringify({ type: 'request', id, to: gateway.peerId, service: 'silent', data, timeoutMs: 30_000 }),
    )
  await expect.poll(() => asking.some(({ answers }) => answers.includes('overloaded'))).toBe(true)
  await expectHealthy(gateway, idleMiB, publish)
})

test('100 clients that ask six times for a page of five megabytes and read none: answers have room, or are 503', {
  timeout: 180_000,
}, async () => {
  const { gateway, publish, idleMiB } = await start()
  for (let count = 0; count < 5; count++) expect(await publish()).toBe(201)
  const clients = Array.from({ length: 100 }, () => rawClient(gateway.url))
  for (const { socket, send } of clients) {
    socket.pause()
    send(head(gateway.url, 'GET', '/v1/topics/honest/messages?limit=500', 'Accept: */*').repeat(6))
  }
  const metric = async (pattern: RegExp) =>
    Number(
      pattern.exec(await (await fetch(`${gateway.url}/metrics`, { headers: { authorization: `Bearer ${adminToken}` } })).text())?.[1] ?? 0,
    )
  const refused = () => metric(/^peergate_http_request_seconds_count\{operation="listTopicMessages",status="503"\} (\d+)/m)
  await expect.poll(refused, { timeout: 100_000, interval: 500 }).toBeGreaterThan(0)
  expect(await metric(/^peergate_answer_bytes (\d+)/m)).toBeLessThan(70_000_000)
  await expectHealthy(gateway, idleMiB, publish)
})
