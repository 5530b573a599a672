import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** Two gateways; the second knows of the first what `find` puts into its environment, or what `afterwards` tells it. */
async function twoGateways(
  engine: EngineName,
  find: (first: { multiaddrs: string[] }) => Record<string, string>,
  common: Record<string, string> = {},
) {
  const directory = await temporaryDirectory()
  const first = await gatewayForTest({ ...quietEnvironment(join(directory, 'first'), engine), ...common })
  const second = await gatewayForTest({ ...quietEnvironment(join(directory, 'second'), engine), ...common, ...find(first) })
  return { first, second }
}

async function connected(url: string, peerId: string): Promise<void> {
  const rest = createRest(url)
  await expect.poll(async () => (await rest.call('GET', `/v1/peers/${peerId}`)).body).toMatchObject({ peerId, state: 'connected' })
}

describe.each(['custom', 'libp2p'] as const)('two gateways on the %s engine', (engine) => {
  test.each([
    ['mDNS', { PEERGATE_MDNS: 'true' }, () => ({})],
    ['a bootstrap address', {}, ({ multiaddrs }: { multiaddrs: string[] }) => ({ PEERGATE_BOOTSTRAP: multiaddrs.join(',') })],
  ])('find each other by %s', async (_, common, find) => {
    const { first, second } = await twoGateways(engine, find, common)
    await connected(second.url, first.peerId)
    await connected(first.url, second.peerId)
  })

  test('a message published on one by REST reaches a subscriber of the other, and both keep it', async () => {
    const { first, second } = await twoGateways(engine, () => ({}))
    const [a, b] = [createRest(first.url), createRest(second.url)]
    const subscriber = await openStream(second.url, { query: '?topic=orders' })
    onTestFinished(() => subscriber[Symbol.asyncDispose]())
    await subscriber.expect('caught-up')

    const dialled = await b.call('POST', '/v1/peers', { multiaddr: first.multiaddrs[0] })
    expect(dialled).toMatchObject({ status: 201, body: { peerId: first.peerId, state: 'connected' } })
    const published = await a.publish('orders', 'héllo')

    const { message } = await subscriber.expect('message')
    expect(message).toMatchObject({ id: published.id, topic: 'orders', from: first.peerId, data: 'héllo', encoding: 'utf8' })
    expect(await a.history('topic=orders')).toMatchObject([{ id: published.id, cursor: published.cursor }])
    expect(await b.history('topic=orders')).toMatchObject([{ id: published.id, cursor: message.cursor }])
  })

  test('what was published before anybody listened arrives when somebody does', async () => {
    const { first, second } = await twoGateways(engine, () => ({}))
    const [a, b] = [createRest(first.url), createRest(second.url)]
    const early = await a.publish('orders', 'early')
    expect(early.recipients).toBe(0)
    const subscriber = await openStream(second.url, { query: '?topic=orders' })
    onTestFinished(() => subscriber[Symbol.asyncDispose]())
    await b.call('POST', '/v1/peers', { multiaddr: first.multiaddrs[0] })
    expect((await subscriber.expect('message')).message.id).toBe(early.id)
  })

  test('a restarted gateway joins its topics and finds its peers again', async () => {
    const directory = await temporaryDirectory()
    const first = await gatewayForTest(quietEnvironment(join(directory, 'first'), engine))
    const environment = quietEnvironment(join(directory, 'second'), engine)
    const second = await gatewayForTest(environment)
    await createRest(second.url).call('PUT', '/v1/topics/orders')
    await createRest(second.url).call('POST', '/v1/peers', { multiaddr: first.multiaddrs[0] })
    expect(await second.end('SIGTERM')).toBe(0)

    const again = await gatewayForTest(environment)
    expect(again.peerId).toBe(second.peerId)
    await connected(again.url, first.peerId)
    const published = await createRest(first.url).publish('orders', 'while you were away')
    await expect.poll(() => createRest(again.url).history('topic=orders')).toMatchObject([{ id: published.id }])
  })
})

test('a gateway on the custom engine is dialled by ws://host:port, and again after a restart', async () => {
  const directory = await temporaryDirectory()
  const first = await gatewayForTest(quietEnvironment(join(directory, 'first')))
  const environment = quietEnvironment(join(directory, 'second'))
  const second = await gatewayForTest(environment)
  const port = /\/tcp\/(\d+)\//.exec(first.multiaddrs[0] ?? '')?.[1]
  const dialled = await createRest(second.url).call('POST', '/v1/peers', { multiaddr: `ws://127.0.0.1:${port}` })
  expect(dialled).toMatchObject({ status: 201, body: { peerId: first.peerId, multiaddrs: expect.arrayContaining([first.multiaddrs[0]]) } })
  expect(await second.end('SIGTERM')).toBe(0)
  const again = await gatewayForTest(environment)
  await connected(again.url, first.peerId)
})

test('a ws:// address is no multiaddr on libp2p, and is refused by name', async () => {
  const gateway = await gatewayForTest(quietEnvironment(await temporaryDirectory(), 'libp2p'))
  const refused = await createRest(gateway.url).call('POST', '/v1/peers', { multiaddr: 'ws://127.0.0.1:7071' })
  expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_multiaddr' } })
})
