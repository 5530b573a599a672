import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** Topics that a gateway holds messages of, and has not joined: a subscriber that was away gets these messages too. */

const numbers = ['first', 'second', 'third', 'fourth', 'fifth']

/** An author without room for another joined topic, and a witness and a subscriber of `orders`; the subscriber is away again. */
async function threeGateways(engine: EngineName) {
  const directory = await temporaryDirectory()
  const start = (name: string, bootstrap: GatewayProcess[], more: Record<string, string> = {}) =>
    gatewayForTest({
      ...quietEnvironment(join(directory, name), engine),
      PEERGATE_BOOTSTRAP: bootstrap.flatMap(({ multiaddrs }) => multiaddrs).join(','),
      ...more,
    })
  // After a restart it hands over only what is younger than a second.
  const startAuthor = () => start('author', [], { PEERGATE_MAX_JOINED_TOPICS: '1', PEERGATE_UNSENT_WINDOW_MS: '1000' })
  const author = await startAuthor()
  await createRest(author.url).call('PUT', '/v1/topics/full')
  const witness = await start('witness', [author])
  const startSubscriber = (bootstrap: GatewayProcess[]) => start('subscriber', bootstrap)
  const before = await startSubscriber([author])
  for (const { url } of [witness, before]) await createRest(url).call('PUT', '/v1/topics/orders')
  const reached = async () => {
    await createRest(author.url).publish('orders', 'before')
    return (await Promise.all([witness, before].map(stored))).map((texts) => texts.length > 0)
  }
  await expect.poll(reached, { interval: 200 }).toEqual([true, true])
  expect(await before.end('SIGTERM')).toBe(0)
  return { author, startAuthor, witness, startSubscriber }
}

async function stored({ url }: GatewayProcess): Promise<string[]> {
  return (await createRest(url).history('topic=orders')).map(({ data }) => String(data))
}

/** Publishes while the subscriber is away, each message once the witness has the one before. */
async function publish(author: GatewayProcess, witness: GatewayProcess): Promise<void> {
  const rest = createRest(author.url)
  for (const data of numbers) {
    // Handed to somebody, so that it does not wait for the one that is away.
    expect((await rest.publish('orders', data)).recipients).toBeGreaterThan(0)
    await expect.poll(() => stored(witness)).toContain(data)
  }
  expect((await rest.call('GET', '/v1/topics/orders')).body).toMatchObject({ joined: false })
}

/** A client of the subscriber is given what was missed, once and in order. */
async function expectMissed(back: GatewayProcess): Promise<void> {
  const client = await openStream(back.url, { query: '?topic=orders&after=earliest' })
  onTestFinished(() => client[Symbol.asyncDispose]())
  const given = () => client.messages.map(({ data }) => String(data)).filter((data) => data !== 'before')
  await expect.poll(() => given().length).toBeGreaterThanOrEqual(numbers.length)
  expect(given()).toEqual(numbers)
}

describe.each(['custom', 'libp2p'] as const)('messages of a topic that their author has not joined, on the %s engine,', (engine) => {
  test('are fetched from the author by a subscriber that was away', async () => {
    const { author, startAuthor, witness, startSubscriber } = await threeGateways(engine)
    await publish(author, witness)
    for (const gateway of [witness, author]) expect(await gateway.end('SIGTERM')).toBe(0)
    // Gossipsub would still have the messages in memory.
    const again = await startAuthor()
    const back = await startSubscriber([again])
    await expectMissed(back)
    await createRest(again.url).publish('orders', 'last')
    await expect.poll(() => stored(back)).toContain('last')
    expect((await stored(back)).filter((data) => data !== 'before')).toEqual([...numbers, 'last'])
  })

  test('are fetched from a gateway between them that has left the topic since', async () => {
    const { author, witness, startSubscriber } = await threeGateways(engine)
    await publish(author, witness)
    await createRest(witness.url).call('DELETE', '/v1/topics/orders')
    expect(await author.end('SIGTERM')).toBe(0)
    await expectMissed(await startSubscriber([witness]))
  })
})
