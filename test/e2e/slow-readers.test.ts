import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { residentMiB } from '../fixtures/resident-memory.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

// Memory of another process is read from /proc, which only Linux has.
test.skipIf(process.platform !== 'linux')(
  '50 stopped subscribers cost the other 50 nothing and the gateway a bounded amount (needs /proc)',
  async () => {
    const directory = await temporaryDirectory()
    const gateway = await gatewayForTest(quietEnvironment(join(directory, 'data')))
    const rest = createRest(gateway.url)
    const clients = await Promise.all(Array.from({ length: 100 }, () => openStream(gateway.url, { query: '?topic=orders' })))
    onTestFinished(async () => {
      for (const client of clients) await client[Symbol.asyncDispose]()
    })
    await Promise.all(clients.map((client) => client.expect('caught-up')))
    const stopped = clients.slice(0, 50)
    const reading = clients.slice(50)
    for (const client of stopped) client.socket.pause()

    // 24 MiB for each subscriber: more than the kernel's buffers of a connection, so that the stopped ones block; 1,200 MiB if they queued.
    const data = 'x'.repeat(12_000)
    const count = 2_000
    const before = await residentMiB(gateway.child.pid ?? 0)
    let peak = before
    for (let published = 0; published < count; published += 20) {
      await Promise.all(Array.from({ length: 20 }, () => rest.publish('orders', data)))
      peak = Math.max(peak, await residentMiB(gateway.child.pid ?? 0))
    }
    await Promise.all(reading.map((client) => client.until(() => client.messages.length === count)))
    expect(stopped.every((client) => client.messages.length < count)).toBe(true)
    expect(peak - before).toBeLessThan(450)

    for (const client of stopped) client.socket.resume()
    await Promise.all(stopped.map((client) => client.until(() => client.messages.length === count)))
    const cursors = reading[0]?.messages.map(({ cursor }) => cursor)
    for (const client of clients) expect(client.messages.map(({ cursor }) => cursor)).toEqual(cursors)
  },
  180_000,
)
