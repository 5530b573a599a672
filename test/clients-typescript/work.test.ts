import { expect, onTestFinished, test } from 'vitest'
import { bytesOf, type Item, type Message, PeergateError } from '../../clients/typescript/src/index.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { clientForTest } from './client-for-test.ts'
import { scriptedGateway } from './scripted-gateway.ts'

/** What a gateway and the client do together, without a broken connection. */

async function gatewayAndClient() {
  const gateway = await memoryGateway(createMemoryNetwork())
  onTestFinished(() => gateway.stop())
  return { gateway, client: clientForTest({ url: gateway.url }) }
}

test('text, bytes and JSON values come as they were published', async () => {
  const { client } = await gatewayAndClient()
  const items = client.subscribe('orders', { after: 'earliest', encoding: 'json' })
  const bytes = Uint8Array.from({ length: 20_000 }, (_, index) => index % 256)
  for (const data of ['héllo', bytes, { json: { order: 17 } }]) await client.publish('orders', data)
  const seen = await messagesOf(items, 3)
  expect(seen[0]).toMatchObject({ topic: 'orders', data: 'héllo', encoding: 'utf8' })
  expect(bytesOf(seen[1] ?? { data: '', encoding: 'utf8' })).toEqual(bytes)
  expect(seen[2]).toMatchObject({ data: { order: 17 }, encoding: 'json' })
})

async function messagesOf(items: AsyncIterable<Item>, count: number): Promise<Message[]> {
  const seen: Message[] = []
  for await (const item of items) {
    if (item.type === 'message') seen.push(item.message)
    if (seen.length === count) break
  }
  return seen
}

test('a service answers requests, and its errors have their text', async () => {
  const { client } = await gatewayAndClient()
  const { peerId } = await client.rest.call('get', '/v1/node')
  const serving = await client.serve('capitals', ({ data }) => {
    if (data === '') throw new Error('nothing to do')
    return String(data).toUpperCase()
  })
  expect(await client.request(peerId, 'capitals', 'hello')).toEqual({ data: 'HELLO', encoding: 'utf8' })
  await expect(client.request(peerId, 'capitals', '')).rejects.toThrow('nothing to do')
  serving.stop()
  await serving.ended
  await expect(client.request(peerId, 'capitals', 'hello')).rejects.toBeInstanceOf(PeergateError)
})

test('an answer that no frame can hold becomes an error, and the service goes on', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const serving = client.serve('numbers', ({ data }) => 'x'.repeat(Number(data)))
  const connection = await gateway.connection()
  connection.welcome({ maxFrameBytes: 500 })
  connection.send({ type: 'serving', id: (await connection.next('serve'))['id'] as number })
  await serving
  const request = { type: 'request', from: 'peer', service: 'numbers', deadline: '', encoding: 'utf8' }
  for (const data of ['600', '6']) connection.send({ ...request, requestId: data, data })
  const replies = [await connection.next('reply'), await connection.next('reply')]
  expect(replies).toContainEqual({ type: 'reply', requestId: '600', error: expect.stringContaining('the maximum is 500') })
  expect(replies).toContainEqual({ type: 'reply', requestId: '6', data: 'xxxxxx', encoding: 'utf8' })
})

test('a direct message comes to those who asked for direct messages, and not to others', async () => {
  const { client } = await gatewayAndClient()
  const { peerId } = await client.rest.call('get', '/v1/node')
  const all = client.subscribe('orders', { after: 'earliest', direct: true })
  const ofTopics = client.subscribe('orders', { after: 'earliest' })
  const delivery = await client.send(peerId, 'for you', { expiresInMs: 60_000 })
  expect(delivery).toMatchObject({ to: peerId })
  await client.publish('orders', 'for all')
  expect(await messagesOf(all, 2)).toMatchObject([
    { kind: 'direct', to: peerId, data: 'for you' },
    { kind: 'topic', topic: 'orders', data: 'for all' },
  ])
  expect(await messagesOf(ofTopics, 1)).toMatchObject([{ data: 'for all' }])
})

test('a direct message with the key of an earlier one is sent once', async () => {
  const { client } = await gatewayAndClient()
  const { peerId } = await client.rest.call('get', '/v1/node')
  const first = await client.send(peerId, 'once', { idempotencyKey: 'key' })
  const second = await client.send(peerId, 'once', { idempotencyKey: 'key' })
  expect(second.id).toBe(first.id)
  await expect(client.send('nobody', 'hello')).rejects.toBeInstanceOf(PeergateError)
})

test('without `own` a subscription leaves out what this client publishes, and has what others do', async () => {
  const { client, gateway } = await gatewayAndClient()
  const other = clientForTest({ url: gateway.url })
  const items = client.subscribe('orders', { own: false })
  const everything = client.subscribe('orders')
  for (const subscription of [items, everything]) expect((await subscription.next()).value).toMatchObject({ type: 'caughtUp' })
  await client.publish('orders', 'mine')
  await other.publish('orders', 'of another')
  expect(await messagesOf(items, 1)).toMatchObject([{ data: 'of another' }])
  expect(await messagesOf(everything, 2)).toMatchObject([{ data: 'mine' }, { data: 'of another' }])
})

test('REST has the answer of the operation, or the code of the problem', async () => {
  const { client } = await gatewayAndClient()
  await client.rest.call('post', '/v1/topics/{topic}/messages', { path: { topic: 'a/b' }, body: { data: 'hello' } })
  const { items } = await client.rest.call('get', '/v1/topics/{topic}/messages', { path: { topic: 'a/b' }, query: { after: 'earliest' } })
  expect(items.map(({ data }) => data)).toEqual(['hello'])
  const refused = client.rest.call('get', '/v1/topics/{topic}', { path: { topic: 'nobody' } })
  await expect(refused).rejects.toMatchObject({ status: 404, code: 'topic_not_found' })
})

test('services and validators register again on the next connection, and judge there', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const serving = client.serve('capitals', () => 'done', { concurrency: 4 })
  const validating = client.validate('orders', ({ data }) => (data === 'good' ? 'accept' : 'reject'), { deadlineMs: 500 })
  for (const round of [1, 2]) {
    const connection = await gateway.connection()
    connection.welcome()
    const [serve, validate] = [await connection.next('serve'), await connection.next('validate')]
    expect([serve, validate]).toMatchObject([
      { service: 'capitals', concurrency: 4 },
      { topic: 'orders', deadlineMs: 500 },
    ])
    connection.send({ type: 'serving', id: serve['id'], service: 'capitals' })
    connection.send({ type: 'validating', id: validate['id'], topic: 'orders', deadlineMs: 500, default: 'ignore' })
    await Promise.all([serving, validating])
    const message = { topic: 'orders', data: round === 1 ? 'good' : 'bad', encoding: 'utf8' }
    connection.send({ type: 'validation', validationId: `v${round}`, message, deadline: '' })
    expect(await connection.next('verdict')).toMatchObject({ validationId: `v${round}`, verdict: round === 1 ? 'accept' : 'reject' })
    connection.send({
      type: 'request',
      requestId: `r${round}`,
      from: 'peer',
      service: 'capitals',
      data: '',
      encoding: 'utf8',
      deadline: '',
    })
    expect(await connection.next('reply')).toMatchObject({ requestId: `r${round}`, data: 'done' })
    connection.socket.terminate()
  }
})

test('what nobody waits for any more is aborted and not answered', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const aborted: string[] = []
  void client.serve(
    'slow',
    async ({ data, signal }) => {
      if (data === 'quick') return 'done'
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      aborted.push(String(data))
      return 'late'
    },
    { concurrency: 2 },
  )
  const connection = await gateway.connection()
  connection.welcome()
  const { id } = await connection.next('serve')
  connection.send({ type: 'serving', id, service: 'slow' })
  const request = { type: 'request', from: 'peer', service: 'slow', encoding: 'utf8', deadline: '' }
  connection.send({ ...request, requestId: 'r1', data: 'cancelled' })
  connection.send({ type: 'cancelled', requestId: 'r1' })
  connection.send({ ...request, requestId: 'r2', data: 'quick' })
  expect(await connection.next('reply')).toMatchObject({ requestId: 'r2' })
  connection.send({ ...request, requestId: 'r3', data: 'cut off' })
  connection.send({ type: 'closing', reason: 'draining', retryAfterMs: 0 })
  connection.socket.close(4002)
  await expect.poll(() => aborted).toEqual(['cancelled', 'cut off'])
})

test('an answer that comes after its connection is not given on the next one', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const [asked, answer] = [Promise.withResolvers<AbortSignal>(), Promise.withResolvers<string>()]
  void client.serve('slow', async ({ signal }) => {
    asked.resolve(signal)
    return await answer.promise
  })
  const first = await gateway.connection()
  first.welcome()
  first.send({ type: 'serving', id: (await first.next('serve'))['id'], service: 'slow' })
  first.send({ type: 'request', requestId: 'r1', from: 'peer', service: 'slow', data: '', encoding: 'utf8', deadline: '' })
  const signal = await asked.promise
  first.socket.terminate()
  const second = await gateway.connection()
  const types: string[] = []
  second.socket.on('message', (data) => types.push(JSON.parse(String(data)).type))
  second.welcome()
  second.send({ type: 'serving', id: (await second.next('serve'))['id'], service: 'slow' })
  expect(signal.aborted).toBe(true)
  answer.resolve('late')
  await answer.promise
  void client.publish('orders', 'after it').catch(() => undefined)
  await second.next('publish')
  expect(types).toEqual(['serve', 'publish'])
})

test('a service whose connection was lost before the answer is registered on the next one', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const serving = client.serve('capitals', () => 'done')
  const first = await gateway.connection()
  first.welcome()
  await first.next('serve')
  first.socket.terminate()
  const second = await gateway.connection()
  second.welcome()
  second.send({ type: 'serving', id: (await second.next('serve'))['id'], service: 'capitals' })
  await serving
})
