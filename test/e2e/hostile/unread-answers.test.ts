/** Holds off: clients that make the gateway write and do not read: answers of services, requests to what they serve. */
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { inspectable, usedBytes } from '../../fixtures/collect-garbage.ts'
import type { GatewayProcess } from '../../fixtures/gateway-process.ts'
import { adminToken, startSmallGateway } from '../../fixtures/small-gateway.ts'
import { openStream, type StreamClient } from '../../fixtures/stream-client.ts'

const headers = { authorization: `Bearer ${adminToken}` }
const data = 'x'.repeat(1_000_000)

async function client({ url }: GatewayProcess): Promise<StreamClient> {
  const stream = await openStream(url, { headers })
  onTestFinished(() => stream.socket.terminate())
  await stream.expect('welcome')
  return stream
}

/** Stream connections that the gateway has at the moment. */
async function connections({ url }: GatewayProcess): Promise<number> {
  const text = await (await fetch(`${url}/metrics`, { headers })).text()
  return Number(/^peergate_streams (\d+)/m.exec(text)?.[1])
}

test('a client that asks and does not read the answers is closed when more of them wait than it has room for', async () => {
  // Unread answers beyond the room for them would end a process with this heap.
  const gateway = await startSmallGateway({ NODE_OPTIONS: `--max-old-space-size=256 ${inspectable}` })
  const serving = await client(gateway)
  let answered = 0
  serving.socket.on('message', (raw) => {
    const frame: { type: string; requestId?: string } = JSON.parse(raw.toString())
    if (frame.type !== 'request') return
    answered++
    serving.send({ type: 'reply', requestId: frame.requestId, data })
  })
  serving.send({ type: 'serve', service: 'large', concurrency: 100 })
  await serving.expect('serving')
  const idleBytes = await usedBytes(gateway)
  const asking = await client(gateway)
  expect(await connections(gateway)).toBe(2)
  for (let id = 0; id < 100; id++)
    asking.send({ type: 'request', id, to: gateway.peerId, service: 'large', data: 'now', timeoutMs: 20_000 })
  asking.socket.pause()
  await expect.poll(() => connections(gateway), { timeout: 60_000 }).toBe(1)
  expect(answered).toBeGreaterThan(10)
  // Garbage apart, nothing of the answers stays.
  await expect.poll(async () => (await usedBytes(gateway)) - idleBytes).toBeLessThan(16_777_216)
  asking.socket.resume()
  await asking.closed
  expect(asking.frames.filter(({ type }) => type === 'response').length).toBeLessThan(50)
})

test('a client that serves and does not read what it is asked is closed', async () => {
  const gateway = await startSmallGateway()
  const serving = await client(gateway)
  serving.send({ type: 'serve', service: 'deaf', concurrency: 100 })
  await serving.expect('serving')
  serving.socket.pause()
  const ask = async () => {
    const answer = await fetch(`${gateway.url}/v1/peers/${gateway.peerId}/requests/deaf`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ data, timeoutMs: 300 }),
    })
    await answer.text()
    return answer.status
  }
  await expect
    .poll(
      async () => {
        // Nobody answers, and each makes place for the next when its time is over.
        for (const status of await Promise.all(Array.from({ length: 8 }, ask))) expect(status).toBeGreaterThan(299)
        return await connections(gateway)
      },
      { timeout: 60_000 },
    )
    .toBe(0)
  serving.socket.resume()
  await serving.closed
})

test('a client that sends pings of WebSocket and does not read their pongs is cut', async () => {
  const gateway = await startSmallGateway()
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream`, { headers })
  socket.on('error', () => undefined)
  onTestFinished(() => socket.terminate())
  await new Promise((resolve) => socket.once('open', resolve))
  socket.pause()
  const payload = Buffer.alloc(120)
  await expect
    .poll(
      async () => {
        for (let count = 0; count < 5_000 && socket.readyState === socket.OPEN; count++) socket.ping(payload)
        return await connections(gateway)
      },
      { timeout: 60_000 },
    )
    .toBe(0)
})
