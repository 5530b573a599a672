import { expect, onTestFinished, test } from 'vitest'
import { createGateway } from '../../src/gateway/gateway.ts'
import { defaultLimits } from '../../src/limits.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { loopbackHttp, memoryGateway, memoryPair } from '../fixtures/gateway-pair.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'

async function metricsOf(url: string): Promise<(series: string) => number> {
  const answer = await fetch(`${url}/metrics`)
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/)
  const text = await answer.text()
  return (series) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${series} `))
        ?.slice(series.length),
    )
}

test('the road, its clients and its neighbours are counted', async () => {
  const pair = await memoryPair({ heartbeatMs: 50 })
  onTestFinished(() => pair.stop())
  const rest = createRest(pair.subject.url)
  const client = await openStream(pair.subject.url, { query: '?topic=orders' })
  onTestFinished(() => client[Symbol.asyncDispose]())
  await rest.publish('orders', 'one')
  await expect.poll(async () => (await createRest(pair.other.url).publish('orders', 'two')).recipients).toBe(1)
  await rest.call('GET', '/v1/topics/nowhere')
  await client.until(() => client.messages.length >= 2)
  const value = await metricsOf(pair.subject.url)
  expect(value('peergate_published_messages_total')).toBe(1)
  expect(value('peergate_received_messages_total{verdict="accept"}')).toBeGreaterThan(0)
  expect(value('peergate_commit_messages_sum')).toBe(client.messages.length)
  expect(value('peergate_inbox_wait_seconds_count')).toBe(1)
  expect([value('peergate_streams'), value('peergate_subscriptions'), value('peergate_subscriber_lag_messages')]).toEqual([1, 1, 0])
  expect([value('peergate_peers'), value('peergate_topics'), value('peergate_log_tip')]).toEqual([1, 1, client.messages.length])
  expect(value('peergate_http_request_seconds_count{operation="publishToTopic",status="201"}')).toBe(1)
  expect(value('peergate_http_request_seconds_count{operation="getTopic",status="404"}')).toBe(1)
})

test('what the engine refuses because a limit is reached is counted by the limit', async () => {
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const limitsReached = { ...engine.limitsReached, request_place: 3, told_dial: 1 }
  const gateway = createGateway(
    { http: loopbackHttp, limits: defaultLimits },
    { store: createMemoryStore(), engine: Object.defineProperty(engine, 'limitsReached', { value: limitsReached }), logger: silentLog },
  )
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const reached = async (limit: string) => (await metricsOf(gateway.url))(`peergate_network_limits_reached_total{limit="${limit}"}`)
  expect(await Promise.all(['request_place', 'told_dial', 'unread_link'].map(reached))).toEqual([3, 1, 0])
  limitsReached.told_dial = 7
  expect(await reached('told_dial')).toBe(7)
})

test('topics that wait for a subscriber are counted for each network', async () => {
  const gateway = await memoryGateway(createMemoryNetwork())
  onTestFinished(() => gateway.stop())
  await createRest(gateway.url).publish('orders', 'nobody is there')
  const value = await metricsOf(gateway.url)
  expect(value('peergate_network_unsent_topics{network="memory"}')).toBe(1)
  expect(value('peergate_given_up_messages_total{network="memory",reason="no_subscriber"}')).toBe(0)
  expect(value('peergate_given_up_messages_total{network="memory",reason="too_large"}')).toBe(0)
  expect([value('peergate_bridged_messages_total{network="memory"}'), value('peergate_bridged_topics{network="memory"}')]).toEqual([0, 0])
})

test('links are counted by path, and what the node did for peers behind routers, for each network', async () => {
  const pair = await memoryPair({})
  onTestFinished(() => pair.stop())
  const value = await metricsOf(pair.subject.url)
  const paths = ['tcp', 'websocket', 'quic', 'webrtc', 'relay']
  expect(paths.map((path) => value(`peergate_links{network="memory",path="${path}"}`))).toEqual([1, 0, 0, 0, 0])
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const reachCounts = { punches: { tcp: { succeeded: 3, failed: 2 }, udp: { succeeded: 1, failed: 6 } }, circuits: 4, circuitBytes: 5_000 }
  Object.defineProperty(engine, 'reachCounts', { value: reachCounts })
  const gateway = createGateway({ http: loopbackHttp, limits: defaultLimits }, { store: createMemoryStore(), engine, logger: silentLog })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const counted = await metricsOf(gateway.url)
  const punches = (transport: string) =>
    ['succeeded', 'failed'].map((outcome) =>
      counted(`peergate_hole_punches_total{network="memory",transport="${transport}",outcome="${outcome}"}`),
    )
  expect([punches('tcp'), punches('udp')]).toEqual([
    [3, 2],
    [1, 6],
  ])
  expect(counted('peergate_relayed_circuits{network="memory"}')).toBe(4)
  expect(counted('peergate_relayed_bytes_total{network="memory"}')).toBe(5_000)
})

test('what clients and peers say is in no label', async () => {
  const gateway = await memoryGateway(createMemoryNetwork())
  onTestFinished(() => gateway.stop())
  const rest = createRest(gateway.url)
  await rest.publish('a-secret-topic', 'a secret')
  await rest.call('GET', '/some/secret/path')
  const text = await (await fetch(`${gateway.url}/metrics`)).text()
  expect(text).not.toContain('secret')
})

test('each metric is described', async () => {
  for (const { name, help } of await createMetrics().describe())
    expect([name, help]).toEqual([expect.stringMatching(/^peergate_[a-z_]+$/), expect.stringMatching(/\.$/)])
})

test('maxEventLoopDelayMs: a late event loop refuses new work, keeps what is there, and takes work again', async () => {
  const gateway = await memoryGateway(createMemoryNetwork(), { maxEventLoopDelayMs: 100 })
  onTestFinished(() => gateway.stop())
  const rest = createRest(gateway.url)
  const client = await openStream(gateway.url, { query: '?topic=orders' })
  onTestFinished(() => client[Symbol.asyncDispose]())
  const publish = async () => (await rest.call('POST', '/v1/topics/orders/messages', { data: 'x' })).status
  // A busy machine makes the event loop late by itself.
  await expect.poll(publish).toBe(201)
  const busy = setInterval(() => {
    for (const end = performance.now() + 300; performance.now() < end; );
  })
  await expect.poll(publish).toBe(503)
  const refused = await fetch(`${gateway.url}/v1/events?topic=orders`)
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2'])
  client.send({ type: 'ping', id: 1 })
  await client.expect('pong')
  clearInterval(busy)
  await expect.poll(publish).toBe(201)
})

test('with a port of their own the metrics are there, and there alone', async () => {
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const http = { ...loopbackHttp, metricsPort: 0 }
  const gateway = createGateway({ http, limits: defaultLimits }, { store: createMemoryStore(), engine, logger: silentLog })
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const elsewhere = `http://127.0.0.1:${gateway.metricsPort}`
  const value = await metricsOf(elsewhere)
  expect(value('peergate_streams')).toBe(0)
  expect((await fetch(`${elsewhere}/v1/node`)).status).toBe(404)
  expect((await fetch(`${elsewhere}/metrics`, { method: 'POST' })).status).toBe(404)
  expect((await fetch(`${gateway.url}/metrics`)).status).toBe(404)
  await gateway.stop()
  await expect(fetch(`${elsewhere}/metrics`)).rejects.toThrow()
})
