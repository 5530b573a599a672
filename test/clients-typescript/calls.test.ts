import { expect, test } from 'vitest'
import { clientForTest } from './client-for-test.ts'
import { scriptedGateway } from './scripted-gateway.ts'

const answer = { type: 'published', messageId: 'a', cursor: 'log.1', recipients: 0, gateway: 'peer' }

test('publications without an answer are repeated in their order, each with its key', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const published = ['one', 'two', 'three'].map((data) => client.publish('orders', data))
  const first = await gateway.connection()
  first.welcome()
  const sent = [await first.next('publish'), await first.next('publish'), await first.next('publish')]
  first.send({ ...answer, id: sent[0]?.['id'] })
  await published[0]
  first.socket.terminate()
  const second = await gateway.connection()
  second.welcome()
  const again = [await second.next('publish'), await second.next('publish')]
  expect(again).toEqual(sent.slice(1))
  expect(new Set(sent.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(3)
  for (const { id } of again) second.send({ ...answer, id, replayed: true })
  expect(await Promise.all(published)).toMatchObject([{ messageId: 'a' }, { replayed: true }, { replayed: true }])
})

test('a publication is repeated after an error that passes', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const published = client.publish('orders', 'hello')
  const connection = await gateway.connection()
  connection.welcome()
  const { id } = await connection.next('publish')
  connection.send({ type: 'error', id, code: 'rate_limited', title: '', detail: '', retryable: true, retryAfterMs: 1 })
  expect(await connection.next('publish')).toMatchObject({ id })
  connection.send({ ...answer, id })
  expect(await published).toMatchObject({ messageId: 'a' })
})

test('a publication that no frame can hold is refused, whenever it is made, and the others go on', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  // By characters it would fit.
  const tooLarge = () =>
    expect(client.publish('orders', 'é'.repeat(600))).rejects.toMatchObject({ code: 'message_too_large', retryable: false })
  const early = tooLarge()
  const published = client.publish('orders', 'hello')
  const connection = await gateway.connection()
  connection.welcome({ maxFrameBytes: 1_000 })
  await early
  await tooLarge()
  const { id, data } = await connection.next('publish')
  expect(data).toBe('hello')
  connection.send({ ...answer, id })
  expect(await published).toMatchObject({ messageId: 'a' })
})

test('a refused publication rejects with the code and the fields', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const errors = [{ path: '/topic', message: 'is too long' }]
  const refused = expect(client.publish('orders', 'hello')).rejects.toMatchObject({ code: 'invalid_topic', errors, message: 'why' })
  const connection = await gateway.connection()
  connection.welcome()
  const { id } = await connection.next('publish')
  connection.send({ type: 'error', id, code: 'invalid_topic', title: 'Title', detail: 'why', retryable: false, errors })
  await refused
})

test('a request is sent once: with its connection it fails', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const failed = expect(client.request('peer', 'capitals', 'hello')).rejects.toMatchObject({ code: 'connection_lost', retryable: true })
  const connection = await gateway.connection()
  connection.welcome()
  const { id } = await connection.next('ping')
  connection.send({ type: 'pong', id })
  await connection.next('request')
  connection.socket.terminate()
  await failed
})

test('calls beyond the limit are refused at once', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url, maxPendingCalls: 2 })
  const waiting = ['one', 'two'].map((data) => expect(client.publish('orders', data)).rejects.toMatchObject({ code: 'closed' }))
  await expect(client.publish('orders', 'three')).rejects.toMatchObject({ code: 'too_many_calls', retryable: true })
  client.close()
  await Promise.all(waiting)
})

test('a signal gives a publication up: it is not sent later', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const controller = new AbortController()
  const given = expect(client.publish('orders', 'given up', { signal: controller.signal })).rejects.toThrow('enough')
  const kept = client.publish('orders', 'kept')
  controller.abort(new Error('enough'))
  await given
  const connection = await gateway.connection()
  connection.welcome()
  const { id, data } = await connection.next('publish')
  expect(data).toBe('kept')
  connection.send({ ...answer, id })
  await kept
})

test('each connection asks for a token, and after an expired one it is another', async () => {
  const gateway = await scriptedGateway()
  let issued = 0
  const client = clientForTest({ url: gateway.url, token: async () => `token-${++issued}` })
  void Array.fromAsync(client.subscribe('orders'))
  const first = await gateway.connection()
  first.welcome()
  await first.next('subscribe')
  first.socket.close(4100)
  const tokens = [first, await gateway.connection()].map(({ protocols }) =>
    Buffer.from(protocols[1]?.split('.').at(-1) ?? '', 'base64url').toString(),
  )
  expect(tokens).toEqual(['token-1', 'token-2'])
})

test('the gateways are tried in turn', async () => {
  const [one, other] = [await scriptedGateway(), await scriptedGateway()]
  const client = clientForTest({ url: [one.url, other.url] })
  void Array.fromAsync(client.subscribe('orders'))
  for (const gateway of [one, other, one]) (await gateway.connection()).socket.terminate()
})

test('a function that fails to give a token is asked again, with a pause', async () => {
  const gateway = await scriptedGateway()
  let asked = 0
  const client = clientForTest({
    url: gateway.url,
    token: async () => {
      if (++asked === 1) throw new Error('the issuer is away')
      return 'secret'
    },
  })
  const errors: string[] = []
  client.watch((state) => state.type === 'waiting' && errors.push(state.error.code))
  void Array.fromAsync(client.subscribe('orders'))
  await gateway.connection()
  expect(errors).toEqual(['no_token'])
})

test('a URL that is none ends the client with an error', async () => {
  const client = clientForTest({ url: 'gopher://gateway' })
  await expect(client.publish('orders', 'hello')).rejects.toMatchObject({ code: 'connection_closed' })
})
