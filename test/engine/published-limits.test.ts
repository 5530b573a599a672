import { RPC } from '@libp2p/gossipsub/message'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, onTestFinished, test } from 'vitest'
import { publishedLimits } from '../../src/engine/published-limits.ts'
import { createGateway, type Gateway } from '../../src/gateway/gateway.ts'
import { defaultLimits, type Limits } from '../../src/limits.ts'
import { customEngine } from '../fixtures/custom-engine.ts'
import { loopbackHttp } from '../fixtures/gateway-pair.ts'
import { patientDelayMs } from '../fixtures/gateway-process.ts'
import { libp2pEngine } from '../fixtures/libp2p-engine.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { stockNode } from '../fixtures/stock-node.ts'

/** What Kubo, go-libp2p and py-libp2p take. */
const mostRpcBytes = 1_048_576

async function gateway(kind: 'custom' | 'libp2p', own: Partial<Limits> = {}): Promise<Gateway> {
  const limits = { ...defaultLimits, maxEventLoopDelayMs: patientDelayMs, ...own }
  const engine = kind === 'custom' ? await customEngine({ limits }) : await libp2pEngine({ limits })
  const started = createGateway({ http: loopbackHttp, limits }, { store: createMemoryStore(), engine, logger: silentLog })
  onTestFinished(() => started.stop())
  await started.start()
  return started
}

async function publish({ url }: Gateway, topic: string, bytes: number) {
  const answer = await fetch(`${url}/v1/topics/${topic}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: Buffer.alloc(bytes, 'x'),
  })
  return { status: answer.status, body: await answer.json() }
}

describe.each(['custom', 'libp2p'] as const)('%s', (kind) => {
  test('a message of the size that clients are told is published, a larger one is not, and the answer says how large one may be', async () => {
    const here = await gateway(kind)
    const told = (await here.node()).limits['maxMessageBytes'] ?? 0
    expect(told).toBe(kind === 'custom' ? 1_048_576 : 1_048_064)
    expect(await publish(here, 'orders', told)).toMatchObject({ status: 201 })
    expect(await publish(here, 'orders', told + 1)).toMatchObject({
      status: 413,
      body: { code: 'message_too_large', detail: expect.stringContaining(`at most ${told} bytes`) },
    })
  })
})

test('on libp2p the largest message that is published, in the longest topic, comes in an RPC that every peer takes', async () => {
  const here = await gateway('libp2p')
  const node = await stockNode()
  const topic = 't'.repeat(256)
  const rpcs: RPC[] = []
  const { pubsub } = node.services
  const handle: (from: unknown, rpc: RPC) => Promise<void> = Reflect.get(pubsub, 'handleReceivedRpc')
  Reflect.set(pubsub, 'handleReceivedRpc', async (from: unknown, rpc: RPC) => {
    rpcs.push(rpc)
    await handle.call(pubsub, from, rpc)
  })
  pubsub.subscribe(topic)
  const { multiaddrs, limits } = await here.node()
  await node.dial(multiaddr(multiaddrs[0] ?? ''))
  const publication = `${here.url}/v1/topics/${topic}/messages?minRecipients=1&waitMs=30000`
  const body = Buffer.alloc(limits['maxMessageBytes'] ?? 0, 'x')
  const answer = await fetch(publication, { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body })
  expect(answer.status).toBe(201)
  const withMessages = () => rpcs.filter(({ messages }) => messages.length > 0)
  await expect.poll(withMessages).toHaveLength(1)
  const [size = 0] = withMessages().map((rpc) => RPC.encode(rpc).length)
  expect(size).toBeLessThanOrEqual(mostRpcBytes)
  expect(size).toBeGreaterThan(mostRpcBytes - 512)
})

test('a larger message of somebody else is taken and forwarded all the same', async () => {
  const [here, node, other] = [await gateway('libp2p'), await stockNode(), await stockNode()]
  await fetch(`${here.url}/v1/topics/orders`, { method: 'PUT' })
  const heard: number[] = []
  other.services.pubsub.addEventListener('message', ({ detail }) => void heard.push(detail.data.length))
  for (const each of [node, other]) {
    each.services.pubsub.subscribe('orders')
    await each.dial(multiaddr((await here.node()).multiaddrs[0] ?? ''))
  }
  await expect.poll(() => node.services.pubsub.getSubscribers('orders').length).toBe(1)
  await expect.poll(() => other.services.pubsub.getSubscribers('orders').length).toBe(1)
  await expect
    .poll(
      async () => {
        await node.services.pubsub.publish('orders', Buffer.alloc(1_048_576))
        return heard
      },
      { interval: 1_000 },
    )
    .toContain(1_048_576)
})

test('maxRpcBytes: what is told follows it, and a smaller maxMessageBytes holds', () => {
  expect(publishedLimits('libp2p', { ...defaultLimits, maxRpcBytes: 65_536 }).maxMessageBytes).toBe(65_024)
  expect(publishedLimits('libp2p', { ...defaultLimits, maxMessageBytes: 100 }).maxMessageBytes).toBe(100)
  expect(publishedLimits('libp2p', { ...defaultLimits, maxMessageBytes: 4_194_304, maxRpcBytes: 8_388_608 }).maxMessageBytes).toBe(
    4_194_304,
  )
  expect(publishedLimits('custom', { ...defaultLimits, maxRpcBytes: 65_536 }).maxMessageBytes).toBe(1_048_576)
})
