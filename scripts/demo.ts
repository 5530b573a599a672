import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { WebSocket } from 'ws'
import { loadConfig } from '../src/config/config.ts'
import type { Gateway } from '../src/gateway/gateway.ts'
import { openGateway } from '../src/gateway/open-gateway.ts'

/**
 * Runs two connected gateways. Publishes messages on one by REST, and prints them as a subscriber of the other receives
 * them. The data is in a temporary directory, which is removed at the end.
 */

const messages = ['hello', 'from one gateway', 'to the other']
const directory = await mkdtemp(join(tmpdir(), 'peergate-demo-'))
const logger = pino({ level: 'warn' })

const alice = await start('alice')
const bob = await start('bob', (await alice.node()).multiaddrs)
try {
  const subscriber = new WebSocket(`${bob.url.replace('http', 'ws')}/v1/stream?topic=demo`)
  const received = receive(subscriber, messages.length)
  await once(subscriber, 'open')
  await subscribedNeighbour(alice)
  for (const data of messages) await publish(alice, data)
  await received
  subscriber.close()
  console.log('Done: messages published on alice were delivered by bob, and are stored on both.')
} finally {
  await bob.stop()
  await alice.stop()
  await rm(directory, { recursive: true })
}

async function start(name: string, bootstrap: string[] = []): Promise<Gateway> {
  const config = loadConfig({
    ...process.env,
    DATABASE_URL: '',
    PEERGATE_DATA_DIR: join(directory, name),
    PEERGATE_HTTP_PORT: '0',
    // Both engines support WebSocket.
    PEERGATE_LISTEN: '/ip4/127.0.0.1/tcp/0/ws',
    PEERGATE_MDNS: 'false',
    PEERGATE_BOOTSTRAP: bootstrap.join(','),
  })
  const gateway = await openGateway(config, { logger })
  await gateway.start()
  console.log(`${name} is peer ${(await gateway.node()).peerId} at ${gateway.url}`)
  return gateway
}

/** Prints each message. Resolves after `count` messages. */
async function receive(subscriber: WebSocket, count: number): Promise<void> {
  let received = 0
  await new Promise<void>((resolve) => {
    subscriber.on('message', (raw) => {
      const frame = JSON.parse(raw.toString())
      if (frame.type !== 'message') return
      console.log(`  bob's subscriber received "${frame.message.data}" from ${frame.message.from}, cursor ${frame.message.cursor}`)
      if (++received === count) resolve()
    })
  })
}

/** Waits until the topic has a subscriber. Messages published before would wait for one too. */
async function subscribedNeighbour(gateway: Gateway): Promise<void> {
  await fetch(`${gateway.url}/v1/topics/demo`, { method: 'PUT' })
  for (;;) {
    const topic = Object(await (await fetch(`${gateway.url}/v1/topics/demo`)).json())
    if (topic.subscribers > 0) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function publish(gateway: Gateway, data: string): Promise<void> {
  const answer = await fetch(`${gateway.url}/v1/topics/demo/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ data }),
  })
  const { id, recipients } = Object(await answer.json())
  console.log(`published "${data}" on alice: stored as ${id}, handed to ${recipients} peer(s)`)
}
