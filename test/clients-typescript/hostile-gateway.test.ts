import { expect, test } from 'vitest'
import { isFinal } from '../../clients/typescript/src/close-codes.ts'
import { closeCodes } from '../../src/stream/close-codes.ts'
import { clientForTest } from './client-for-test.ts'
import { scriptedGateway } from './scripted-gateway.ts'

test.each([
  ['text that is not JSON', '{"type":'],
  ['a value that is no object', '17'],
  ['null', 'null'],
  ['an object without a type', '{}'],
  ['a message without a cursor', '{"type":"message","message":{"id":"a","encoding":"utf8"}}'],
  ['a message that is null', '{"type":"message","message":null}'],
  ['a gap without its end', '{"type":"gap","from":"log.1","reason":"pruned"}'],
  ['a second welcome', '{"type":"welcome","peerId":"peer","heartbeatMs":25000}'],
])('after %s the client connects again, with a pause', async (_, text) => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const states: string[] = []
  client.watch((state) => states.push(state.type === 'waiting' ? state.error.code : state.type))
  const published = client.publish('orders', 'hello')
  const first = await gateway.connection()
  first.welcome()
  first.send(text)
  const second = await gateway.connection()
  second.welcome()
  const { id } = await second.next('publish')
  second.send({ type: 'published', id, messageId: 'a', cursor: 'log.1', recipients: 0, gateway: 'peer' })
  await published
  expect(states).toEqual(['connecting', 'open', 'protocol_error', 'connecting', 'open'])
})

test('bytes in place of text end the connection', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  void Array.fromAsync(client.subscribe('orders'))
  const first = await gateway.connection()
  first.welcome()
  first.socket.send(Buffer.from('{"type":"pong"}'))
  await gateway.connection()
})

test('frames of unknown types, unknown fields and answers to nothing are passed over', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const published = client.publish('orders', 'hello')
  const connection = await gateway.connection()
  connection.welcome()
  const { id } = await connection.next('publish')
  for (const type of ['weather', 'constructor', '__proto__', 'toString']) connection.send({ type, data: 1 })
  connection.send({ type: 'published', id: 77, messageId: 'b', cursor: 'log.1' })
  connection.send({ type: 'message', subscription: 'of-nobody', message: { cursor: 'log.1', id: 'a', encoding: 'utf8', data: '' } })
  connection.send({ type: 'published', id, messageId: 'a', cursor: 'log.1', recipients: 2, gateway: 'peer', colour: 'blue' })
  expect(await published).toEqual({ messageId: 'a', cursor: 'log.1', recipients: 2, gateway: 'peer' })
  expect(gateway.count).toBe(1)
})

test('a gateway that says nothing is given up', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url, connectTimeoutMs: 50 })
  const waiting = Promise.withResolvers<string>()
  client.watch((state) => state.type === 'waiting' && waiting.resolve(state.error.code))
  void Array.fromAsync(client.subscribe('orders'))
  expect(await waiting.promise).toBe('connect_timeout')
  await gateway.connection()
})

test('a gateway that answers no ping is given up', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  void Array.fromAsync(client.subscribe('orders'))
  const first = await gateway.connection()
  first.send({ type: 'welcome', peerId: 'peer', heartbeatMs: 1 })
  await first.next('ping')
  await gateway.connection()
})

const ofGateway = Object.values(closeCodes).map(({ code, action }) => [code, action] as const)

test.each(ofGateway)('the close code %i, to %s, is final as the contract says', (code, action) => {
  const isResumed = action === 'resume' || action === 'wait'
  expect(isFinal(code, false)).toBe(!isResumed)
})

test('an expired token is not the end if there can be another', () => {
  expect(isFinal(closeCodes.tokenExpired.code, true)).toBe(false)
})

test.each([1000, 1001, 1005, 1006, 1012, 1013, 3000, 4099, 4499])('after the close code %i the client comes back', (code) => {
  expect(isFinal(code, false)).toBe(false)
})

test.each([4500, 4502, 4503, 4999, 1002, 1008, 1009])(
  'the close code %i ends subscriptions and calls for good, with an error',
  async (code) => {
    const gateway = await scriptedGateway()
    const client = clientForTest({ url: gateway.url, token: () => 'secret' })
    const following = expect(Array.fromAsync(client.subscribe('orders'))).rejects.toMatchObject({ name: 'PeergateError' })
    const publishing = expect(client.publish('orders', 'hello')).rejects.toMatchObject({ name: 'PeergateError' })
    const connection = await gateway.connection()
    connection.welcome()
    await connection.next('publish')
    connection.socket.close(code)
    await following
    await publishing
    expect(client.state.type).toBe('closed')
    await expect(client.publish('orders', 'later')).rejects.toMatchObject({ name: 'PeergateError' })
    expect(gateway.count).toBe(1)
  },
)

test('the error frame before a final close is the error of the client', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url, token: 'wrong' })
  const publishing = expect(client.publish('orders', 'hello')).rejects.toMatchObject({ code: 'invalid_token' })
  const connection = await gateway.connection()
  expect(connection.protocols).toEqual(['peergate.v1.json', `peergate.bearer.${Buffer.from('wrong').toString('base64url')}`])
  connection.send({ type: 'error', code: 'invalid_token', title: 'The token is not valid', detail: 'unknown', retryable: false })
  connection.socket.close(4502)
  await publishing
})
