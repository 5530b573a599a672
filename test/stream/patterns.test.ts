import { expect, onTestFinished, test } from 'vitest'
import type { Limits } from '../../src/limits.ts'
import { parseCursor } from '../../src/model/cursor.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream, type StreamClient } from '../fixtures/stream-client.ts'

async function setUp(limits: Partial<Limits> = {}) {
  const gateway = await memoryGateway(createMemoryNetwork(), limits)
  onTestFinished(() => gateway.stop())
  const open = async (): Promise<StreamClient> => {
    const client = await openStream(gateway.url)
    onTestFinished(() => client[Symbol.asyncDispose]())
    return client
  }
  return { rest: createRest(gateway.url), open }
}

/** What a subscription was sent. */
function dataOf(client: StreamClient, name: string) {
  return client.frames.flatMap((frame) => (frame.type === 'message' && frame.subscription === name ? frame.message.data : []))
}

test('a subscription by pattern is told which joined topics it matches, others are told of none', async () => {
  const { rest, open } = await setUp({ maxToldTopics: 2 })
  for (const topic of ['orders', 'orders.2.paid', 'orders.1.paid', 'orders.1.paid.eur', 'orders.3.new']) {
    await rest.call('PUT', `/v1/topics/${topic}`)
  }
  await rest.call('DELETE', '/v1/topics/orders.3.new')
  const client = await open()
  const told = async (topics: string[]) => {
    client.send({ type: 'subscribe', id: topics.join(), topics })
    const { topics: matched, more } = await client.expect('subscribed', ({ id }) => id === topics.join())
    return { matched, more }
  }
  expect(await told(['orders.*.paid', 'news'])).toEqual({ matched: ['orders.1.paid', 'orders.2.paid'], more: undefined })
  expect(await told(['orders.*.new'])).toEqual({ matched: [], more: undefined })
  expect(await told(['orders.>'])).toEqual({ matched: ['orders.1.paid', 'orders.1.paid.eur'], more: true })
  expect(await told(['orders'])).toEqual({ matched: undefined, more: undefined })
})

test('a subscription with own: false leaves out what its connection publishes, from memory and from the store', async () => {
  const { rest, open } = await setUp({ maxRingMessages: 1, heartbeatMs: 50 })
  const [client, other] = [await open(), await open()]
  client.send({ type: 'subscribe', id: 1, subscription: 'others', topics: ['a.>'], own: false })
  client.send({ type: 'subscribe', id: 2, subscription: 'all', topics: ['a.>'] })
  other.send({ type: 'subscribe', id: 1, subscription: 'others', topics: ['a.>'], own: false })
  for (const name of ['others', 'all']) await client.expect('caught-up', ({ subscription }) => subscription === name)
  await other.expect('caught-up')
  const published: string[] = []
  for (let round = 1; round <= 3; round++) {
    for (const data of [`mine ${round}`, `mine ${round}+`]) client.send({ type: 'publish', id: data, topic: 'a.b', data })
    await client.expect('published', ({ id }) => id === `mine ${round}+`)
    other.send({ type: 'publish', id: round, topic: 'a.b', data: `theirs ${round}` })
    await other.expect('published', ({ id }) => id === round)
    await rest.publish('a.b', `by REST ${round}`)
    published.push(`mine ${round}`, `mine ${round}+`, `theirs ${round}`, `by REST ${round}`)
  }
  await client.until(() => dataOf(client, 'all').length === published.length)
  await client.until(() => dataOf(client, 'others').includes('by REST 3'))
  await other.until(() => dataOf(other, 'others').includes('by REST 3'))
  expect(dataOf(client, 'all')).toEqual(published)
  expect(dataOf(client, 'others')).toEqual(published.filter((data) => !data.startsWith('mine')))
  expect(dataOf(other, 'others')).toEqual(published.filter((data) => !data.startsWith('theirs')))

  // Its position moves past what it is not sent.
  client.send({ type: 'publish', id: 'last', topic: 'a.b', data: 'mine' })
  const last = parseCursor((await client.expect('published', ({ id }) => id === 'last')).cursor).seq
  await client.expect('progress', ({ subscription, cursor }) => subscription === 'others' && parseCursor(cursor).seq >= last)
  expect(dataOf(client, 'others')).not.toContain('mine')

  // With the same name and no cursor it goes on from there, and is sent its own messages again.
  client.send({ type: 'subscribe', id: 3, subscription: 'others', topics: ['a.>'] })
  await client.expect('subscribed', ({ id }) => id === 3)
  client.send({ type: 'publish', topic: 'a.b', data: 'seen' })
  await client.until(() => dataOf(client, 'others').includes('seen'))
  expect(dataOf(client, 'others')).not.toContain('mine')
})
