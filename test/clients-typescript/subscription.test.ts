import { expect, test } from 'vitest'
import { memoryCursors } from '../../clients/typescript/src/index.ts'
import { clientForTest } from './client-for-test.ts'
import { type ScriptedConnection, scriptedGateway } from './scripted-gateway.ts'

const message = (place: number) => ({
  cursor: `log.${place}`,
  id: `id-${place}`,
  kind: 'topic',
  topic: 'orders',
  data: `${place}`,
  encoding: 'utf8',
})

/** Accepts the next subscription, and returns its frame. */
async function accept(connection: ScriptedConnection): Promise<Record<string, unknown>> {
  const frame = await connection.next('subscribe')
  const { id, subscription, after } = frame
  connection.send({ type: 'subscribed', id, subscription, cursor: after === 'latest' || after === 'earliest' ? 'log.0' : after })
  return frame
}

test('without any message the client resumes where the subscription began', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  void Array.fromAsync(client.subscribe('orders'))
  const first = await gateway.connection()
  first.welcome()
  expect(await accept(first)).toMatchObject({ topics: ['orders'], after: 'latest' })
  first.send({ type: 'pong' })
  first.socket.close(4002)
  const second = await gateway.connection()
  second.welcome()
  expect(await accept(second)).toMatchObject({ after: 'log.0' })
})

test('a full buffer unsubscribes, drops what is under way, and asks for it again when half is taken', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const items = client.subscribe('orders', { after: 'earliest', maxBufferedItems: 4 })
  const connection = await gateway.connection()
  connection.welcome()
  const { subscription } = await accept(connection)
  for (let place = 1; place <= 8; place++) connection.send({ type: 'message', subscription, message: message(place) })
  expect(await connection.next('unsubscribe')).toMatchObject({ subscription })
  const taken = [await items.next(), await items.next()]
  const resumed = await accept(connection)
  expect(resumed['after']).toBe('log.4')
  expect(resumed['subscription']).not.toBe(subscription)
  for (let place = 5; place <= 6; place++) {
    connection.send({ type: 'message', subscription: resumed['subscription'], message: message(place) })
  }
  while (taken.length < 6) taken.push(await items.next())
  expect(taken.map(({ value }) => value.cursor)).toEqual([1, 2, 3, 4, 5, 6].map((place) => `log.${place}`))
})

test('the characters of the buffer are limited too', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  client.subscribe('orders', { after: 'earliest', maxBufferedCharacters: 100 })
  const connection = await gateway.connection()
  connection.welcome()
  const { subscription } = await accept(connection)
  connection.send({ type: 'message', subscription, message: { ...message(1), data: 'x'.repeat(100) } })
  await connection.next('unsubscribe')
})

test('a cursor is saved when the next value is asked for, and not when the loop is left', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const cursors = memoryCursors('log.5')
  const items = client.subscribe('orders', { after: 'earliest', cursors })
  const connection = await gateway.connection()
  connection.welcome()
  const { subscription, after } = await accept(connection)
  expect(after).toBe('log.5')
  for (const place of [6, 7]) connection.send({ type: 'message', subscription, message: message(place) })
  for await (const { cursor } of items) if (cursor === 'log.7') break
  expect(await cursors.load()).toBe('log.6')
})

test('progress of a quiet subscription is saved', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const cursors = memoryCursors()
  void Array.fromAsync(client.subscribe('orders', { cursors }))
  const connection = await gateway.connection()
  connection.welcome()
  const { subscription } = await accept(connection)
  connection.send({ type: 'progress', subscription, cursor: 'log.40' })
  await expect.poll(() => cursors.load()).toBe('log.40')
})

test('a store that cannot save ends the loop with its error', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const cursors = { load: async () => undefined, save: () => Promise.reject(new Error('disk full')) }
  const following = expect(Array.fromAsync(client.subscribe('orders', { cursors }))).rejects.toThrow('disk full')
  const connection = await gateway.connection()
  connection.welcome()
  const { subscription } = await accept(connection)
  connection.send({ type: 'message', subscription, message: message(1) })
  await following
})

test.each([
  ['cursor_expired', 'expired'],
  ['cursor_epoch_mismatch', 'other-log'],
  ['cursor_ahead', 'other-log'],
])('after %s the client begins at the earliest message, behind a gap', async (code, reason) => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const items = client.subscribe('orders', { after: 'old.3' })
  const connection = await gateway.connection()
  connection.welcome()
  const { id, subscription } = await connection.next('subscribe')
  connection.send({ type: 'error', id, subscription, code, title: '', detail: '', retryable: false })
  expect(await accept(connection)).toMatchObject({ after: 'earliest' })
  expect((await items.next()).value).toEqual({ type: 'gap', from: 'old.3', to: 'log.0', reason, cursor: 'log.0' })
})

test('gaps are values, and caught-up is one once', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const items = client.subscribe('orders', { after: 'earliest' })
  const connection = await gateway.connection()
  connection.welcome()
  const { subscription } = await accept(connection)
  connection.send({ type: 'gap', subscription, topic: 'orders', from: 'log.0', to: 'log.3', reason: 'pruned' })
  connection.send({ type: 'caught-up', subscription, cursor: 'log.3' })
  connection.send({ type: 'caught-up', subscription, cursor: 'log.3' })
  connection.send({ type: 'message', subscription, message: message(4) })
  const values = [await items.next(), await items.next(), await items.next()].map(({ value }) => value)
  expect(values).toMatchObject([
    { type: 'gap', topic: 'orders', from: 'log.0', to: 'log.3', reason: 'pruned', cursor: 'log.3' },
    { type: 'caughtUp', cursor: 'log.3' },
    { type: 'message', cursor: 'log.4' },
  ])
})

test('a refused subscription throws the code, and others go on', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const refused = expect(Array.fromAsync(client.subscribe('secret'))).rejects.toMatchObject({ code: 'forbidden' })
  const connection = await gateway.connection()
  connection.welcome()
  const { id, subscription } = await connection.next('subscribe')
  connection.send({ type: 'error', id, subscription, code: 'forbidden', title: '', detail: '', retryable: false })
  await refused
  const items = client.subscribe('orders')
  const { subscription: other } = await accept(connection)
  connection.send({ type: 'message', subscription: other, message: message(1) })
  expect((await items.next()).value).toMatchObject({ cursor: 'log.1' })
})

test('a signal ends the loop and the subscription', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const controller = new AbortController()
  const values = Array.fromAsync(client.subscribe('orders', { signal: controller.signal }))
  const connection = await gateway.connection()
  connection.welcome()
  const { subscription } = await accept(connection)
  controller.abort()
  expect(await values).toEqual([])
  expect(await connection.next('unsubscribe')).toMatchObject({ subscription })
})
