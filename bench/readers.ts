import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { startGateway } from '../test/fixtures/gateway-process.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import { publishAll } from './publish-all.ts'
import type { BenchResult } from './result.ts'

/**
 * Slow readers: the receive rate of 50 subscribers while one client publishes, with 50 other subscribers that read too,
 * and then with these stopped. Two gateways, so that the first run does not slow the second.
 */

const readers = 50
const messages = 4_000
/** Large enough that 4,000 messages fill every buffer of a stopped connection. */
const data = 'x'.repeat(2_048)
const connections = 32

export async function benchReaders(): Promise<BenchResult> {
  const reading = await readingRate(false)
  const stopped = await readingRate(true)
  return {
    name: `slow readers: receive rate of each of ${readers} subscribers`,
    rows: [
      { label: `${readers} other subscribers read`, value: reading, unit: 'messages/s' },
      { label: `${readers} other subscribers stopped`, value: stopped, unit: 'messages/s', ofLimit: stopped / reading },
    ],
  }
}

async function readingRate(othersStopped: boolean): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'peergate-bench-'))
  const gateway = await startGateway(benchEnvironment(directory))
  const client = createHttpClient(gateway.url, connections)
  const sockets: WebSocket[] = []
  try {
    const counted = await Promise.all(Array.from({ length: readers }, () => subscribe(gateway.url)))
    const others = await Promise.all(Array.from({ length: readers }, () => subscribe(gateway.url)))
    sockets.push(...[...counted, ...others].map(({ socket }) => socket))
    if (othersStopped) for (const { socket } of others) socket.pause()
    const start = performance.now()
    await publishAll(client, { messages, connections, data })
    await Promise.all(counted.map(({ complete }) => complete))
    return messages / ((performance.now() - start) / 1_000)
  } finally {
    for (const socket of sockets) socket.terminate()
    client.close()
    await gateway.end('SIGTERM')
    await rm(directory, { recursive: true })
  }
}

async function subscribe(url: string): Promise<{ socket: WebSocket; complete: Promise<void> }> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/stream?topic=bench`)
  const caughtUp = Promise.withResolvers<void>()
  const complete = Promise.withResolvers<void>()
  let received = 0
  socket.on('message', (frame: Buffer) => {
    if (frame.includes('"caught-up"')) caughtUp.resolve()
    else if (frame.includes('"type":"message"') && ++received === messages) complete.resolve()
  })
  await once(socket, 'open')
  await caughtUp.promise
  return { socket, complete: complete.promise }
}
