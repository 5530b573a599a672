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

test('a worker acknowledges what it has done, retries what fails, drops what it is told to, and ends with its consumer', async () => {
  const { client } = await gatewayAndClient()
  const path = { name: 'billing' }
  await client.rest.call('put', '/v1/consumers/{name}', { path, body: { topics: ['orders'], backoffMs: 0 } })
  const had: Array<[data: unknown, attempt: number]> = []
  const working = await client.work(
    'billing',
    ({ message, attempt, progress }) => {
      had.push([message.data, attempt])
      progress()
      if (message.data === 'fails' && attempt === 1) throw new Error('not now')
      if (message.data === 'bad') return 'drop'
      return message.data === 'again' ? ([{ retryAfterMs: 0 }, 'retry'] as const)[attempt - 1] : undefined
    },
    { concurrency: 2 },
  )
  for (const data of ['good', 'fails', 'again', 'bad']) await client.publish('orders', data)
  await expect
    .poll(() => had.toSorted())
    .toEqual([
      ...[
        ['again', 1],
        ['again', 2],
        ['again', 3],
        ['bad', 1],
        ['fails', 1],
        ['fails', 2],
        ['good', 1],
      ],
    ])
  const state = async () => await client.rest.call('get', '/v1/consumers/{name}', { path })
  await expect.poll(state).toMatchObject({ unacked: 0, waiting: 0, parked: 0, pending: 0, workers: 1 })
  await client.rest.call('delete', '/v1/consumers/{name}', { path })
  await expect(working.ended).rejects.toMatchObject({ code: 'consumer_not_found' })
})

test('a worker that stops gets no more, and one that comes back after a lost connection says nothing of what it had before', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const signals: AbortSignal[] = []
  const done = Promise.withResolvers<void>()
  const working = client.work('billing', async ({ signal }) => {
    signals.push(signal)
    if (signals.length === 1) await done.promise
  })
  const first = await gateway.connection()
  first.welcome()
  const subscribed = await first.next('subscribe')
  const { subscription } = subscribed
  expect(subscribed).toMatchObject({ consumer: 'billing', maxUnacked: 1 })
  first.send({ type: 'subscribed', id: subscribed['id'] as number, cursor: 'e.0', subscription })
  const registration = await working
  const message = { cursor: 'e.1', id: 'a.1', kind: 'topic', from: 'a', sequence: '1', data: '', encoding: 'utf8' }
  first.send({ type: 'message', subscription, consumer: 'billing', attempt: 1, claim: 'a.1~x', message })
  await expect.poll(() => signals.length).toBe(1)
  first.socket.terminate()
  const second = await gateway.connection()
  second.welcome()
  const again = await second.next('subscribe')
  expect(signals[0]?.aborted).toBe(true)
  done.resolve()
  second.send({ type: 'subscribed', id: again['id'] as number, cursor: 'e.0', subscription })
  second.send({ type: 'message', subscription, consumer: 'billing', attempt: 2, claim: 'a.2~y', message: { ...message, id: 'a.2' } })
  const ack = await second.next('ack')
  expect(ack).toMatchObject({ claims: ['a.2~y'], verdict: 'ack' })
  // The database was away.
  second.send({
    type: 'error',
    id: ack['id'] as number,
    code: 'store_unavailable',
    title: '',
    detail: '',
    retryable: true,
    retryAfterMs: 50,
  })
  expect(await second.next('ack')).toEqual(ack)
  registration.stop()
  expect(await second.next('unsubscribe')).toMatchObject({ subscription })
})

test('a delay of a retry that a gateway would refuse is one that it takes', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const delays = [0.6, -1, Number.POSITIVE_INFINITY, 86_400_001, Number.NaN]
  void client.work('billing', ({ attempt }) => ({ retryAfterMs: delays[attempt - 1] ?? 0 }))
  const connection = await gateway.connection()
  connection.welcome()
  const { id, subscription } = await connection.next('subscribe')
  connection.send({ type: 'subscribed', id, cursor: 'e.0', subscription })
  const message = { cursor: 'e.1', id: 'a.1', kind: 'topic', from: 'a', sequence: '1', data: '', encoding: 'utf8' }
  const told: unknown[] = []
  for (const index of delays.keys()) {
    connection.send({ type: 'message', subscription, consumer: 'billing', attempt: index + 1, claim: `a.1~${index}`, message })
    const { verdict, delayMs } = await connection.next('ack')
    told.push([verdict, delayMs])
  }
  expect(told).toEqual([1, 0, 86_400_000, 86_400_000, undefined].map((delayMs) => ['retry', delayMs]))
})
