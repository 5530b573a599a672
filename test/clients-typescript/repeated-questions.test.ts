import { expect, onTestFinished, test, vi } from 'vitest'
import { repeatAfterMs } from '../../clients/typescript/src/back-off.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { clientForTest } from './client-for-test.ts'
import { scriptedGateway } from './scripted-gateway.ts'

/** What the client asks by itself, and when it asks again. */

const busy = { type: 'error', code: 'unavailable', title: '', detail: '', retryable: true, retryAfterMs: 1 }

test('subscriptions and registrations outlive a reconnect with as many publications waiting as may wait', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url, maxPendingCalls: 2 })
  const items = client.subscribe('orders')
  const serving = client.serve('capitals', () => 'done')
  const waiting = ['one', 'two'].map((data) => expect(client.publish('orders', data)).rejects.toMatchObject({ code: 'closed' }))
  for (const round of [1, 2]) {
    const connection = await gateway.connection()
    connection.welcome()
    connection.send({ type: 'serving', id: (await connection.next('serve'))['id'], service: 'capitals' })
    await serving
    const { id, subscription } = await connection.next('subscribe')
    connection.send({ type: 'subscribed', id, subscription, cursor: `log.${round}` })
    connection.send({ type: 'caught-up', subscription, cursor: `log.${round}` })
    connection.send({ type: 'gap', subscription, from: 'log.0', to: `log.${round}`, reason: 'pruned' })
    await connection.next('publish')
    await connection.next('publish')
    if (round === 1) connection.socket.terminate()
  }
  const values = [await items.next(), await items.next(), await items.next()].map(({ value }) => value.type)
  expect(values).toEqual(['caughtUp', 'gap', 'gap'])
  await expect(client.publish('orders', 'three')).rejects.toMatchObject({ code: 'too_many_calls' })
  client.close()
  await Promise.all([...waiting, (await serving).ended])
})

test('answered calls make room for others', async () => {
  const gateway = await memoryGateway(createMemoryNetwork())
  onTestFinished(() => gateway.stop())
  const client = clientForTest({ url: gateway.url, maxPendingCalls: 1 })
  for (const data of ['one', 'two']) await client.publish('orders', data)
  await expect(client.request('nobody', 'capitals', '')).rejects.not.toMatchObject({ code: 'too_many_calls' })
  await client.publish('orders', 'three')
})

test('a subscription that was refused for a while is not asked for after its end', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const items = client.subscribe('orders')
  const connection = await gateway.connection()
  connection.welcome()
  const { id } = await connection.next('subscribe')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const refused = client.publish('orders', 'hello')
    connection.send({ ...busy, id })
    connection.send({ type: 'published', id: (await connection.next('publish'))['id'], messageId: 'a', cursor: 'log.1' })
    await refused
    await items.return?.()
    await connection.next('unsubscribe')
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('a service that was refused for a while is not registered after its end', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  const controller = new AbortController()
  const ended = expect(client.serve('capitals', () => 'done', { signal: controller.signal })).rejects.toThrow('enough')
  const connection = await gateway.connection()
  connection.welcome()
  const { id } = await connection.next('serve')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const published = client.publish('orders', 'hello')
    connection.send({ ...busy, id })
    connection.send({ type: 'published', id: (await connection.next('publish'))['id'], messageId: 'a', cursor: 'log.1' })
    await published
    controller.abort(new Error('enough'))
    await connection.next('unserve')
    await ended
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test.each([
  ['an error that passes', { ...busy }],
  ['an error without a time to wait', { ...busy, retryAfterMs: undefined }],
  ['an error with a time in the past', { ...busy, retryAfterMs: -5 }],
  ['a position that is lost', { ...busy, code: 'cursor_expired', retryable: false }],
])('a subscription that ends at once with %s is asked for again after a pause', async (_, error) => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  void Array.fromAsync(client.subscribe('orders'))
  const connection = await gateway.connection()
  connection.welcome()
  const { id, subscription } = await connection.next('subscribe')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const published = client.publish('orders', 'hello')
    connection.send({ type: 'subscribed', id, subscription, cursor: 'log.1' })
    connection.send({ ...error, subscription })
    connection.send({ type: 'published', id: (await connection.next('publish'))['id'], messageId: 'a', cursor: 'log.1' })
    await published
    expect(vi.getTimerCount()).toBe(1)
    await vi.runOnlyPendingTimersAsync()
  } finally {
    vi.useRealTimers()
  }
  const again = await connection.next('subscribe')
  expect(again['subscription']).not.toBe(subscription)
  expect(again['after']).toBe(error.code === 'cursor_expired' ? 'earliest' : 'log.1')
})

test('a gateway that refuses even the earliest position is asked at intervals', async () => {
  const gateway = await scriptedGateway()
  const client = clientForTest({ url: gateway.url })
  void Array.fromAsync(client.subscribe('orders', { after: 'earliest' }))
  const connection = await gateway.connection()
  connection.welcome()
  const { id } = await connection.next('subscribe')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const published = client.publish('orders', 'hello')
    connection.send({ type: 'error', id, code: 'cursor_ahead', title: '', detail: '', retryable: false })
    connection.send({ type: 'published', id: (await connection.next('publish'))['id'], messageId: 'a', cursor: 'log.1' })
    await published
    expect(vi.getTimerCount()).toBe(1)
  } finally {
    vi.useRealTimers()
  }
})

test.each([
  [undefined, 1_000],
  ['soon', 1_000],
  [0, 50],
  [-1e12, 50],
  [700, 700],
  [1e12, 120_000],
])('when the gateway asks for %s ms the pause is %i ms', (asked, pauseMs) => {
  expect(repeatAfterMs(asked)).toBe(pauseMs)
})
