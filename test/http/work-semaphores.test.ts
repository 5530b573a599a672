import { expect, onTestFinished, test } from 'vitest'
import { appForTest, neighbour } from './app-for-test.ts'

const key = `/peergate/imm/${'0'.repeat(64)}`

test('maxLookups: what clients look up in the DHT beyond it is refused at once, until one of them is answered', async () => {
  const { call, engine, network } = await appForTest({ limits: { maxLookups: 2 } })
  const other = await neighbour(network)
  await call('POST', '/v1/peers', { json: { multiaddr: other.address } })
  const found = Promise.withResolvers<Uint8Array>()
  onTestFinished(() => found.reject(new Error('the test is over')))
  found.promise.catch(() => undefined)
  let lookups = 0
  engine.routing.get = async () => {
    lookups++
    return await found.promise
  }
  const get = () => call('GET', `/v1/dht/values/${encodeURIComponent(key)}`)
  const held = [get(), get()]
  await expect.poll(() => lookups).toBe(2)
  expect(await get()).toMatchObject({ status: 503, body: { code: 'overloaded' } })
  expect(await call('GET', `/v1/dht/peers/${engine.peerId}`)).toMatchObject({ status: 503 })
  // Other work has places of its own.
  expect((await call('POST', `/v1/peers/${other.peerId}/ping`)).status).toBe(200)
  found.resolve(Buffer.from('found'))
  await Promise.all(held)
  await expect.poll(async () => (await get()).status).not.toBe(503)
  expect(lookups).toBe(3)
})

test('maxRequestedDials: peers that clients want dialled beyond it are refused at once, until a dial has ended', async () => {
  const { call, engine, network } = await appForTest({ limits: { maxRequestedDials: 2 } })
  const other = await neighbour(network)
  const ended = Promise.withResolvers<void>()
  onTestFinished(() => ended.resolve())
  const dial = engine.dial
  let dials = 0
  engine.dial = async (address, options) => {
    dials++
    await ended.promise
    return await dial(address, options)
  }
  const post = () => call('POST', '/v1/peers', { json: { multiaddr: other.address } })
  const held = [post(), post()]
  await expect.poll(() => dials).toBe(2)
  expect(await post()).toMatchObject({ status: 503, body: { code: 'overloaded' } })
  expect(await call('POST', `/v1/peers/${other.peerId}/ping`)).toMatchObject({ status: 503 })
  ended.resolve()
  await Promise.all(held)
  await expect.poll(async () => (await post()).status).not.toBe(503)
})

test('lists are read and serialised a few at a time, however many clients ask for, and the rest wait for their turn', async () => {
  const { call, store } = await appForTest()
  const { list } = store.audit
  const may = Promise.withResolvers<void>()
  onTestFinished(() => may.resolve())
  const counts = { begun: 0, open: 0, most: 0 }
  store.audit.list = async (query) => {
    counts.begun++
    counts.most = Math.max(counts.most, ++counts.open)
    await may.promise
    counts.open--
    return await list(query)
  }
  const asked = Array.from({ length: 20 }, () => call('GET', '/v1/audit'))
  await expect.poll(() => counts.begun).toBe(3)
  // What is no list does not wait for them.
  expect((await call('GET', '/v1/session')).status).toBe(200)
  may.resolve()
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
  expect(counts).toEqual({ begun: 20, open: 0, most: 3 })
})

test('a thousand lists wait for their turn, and one more is refused at once', async () => {
  const { call, store } = await appForTest()
  const { list } = store.audit
  const may = Promise.withResolvers<void>()
  onTestFinished(() => may.resolve())
  let begun = 0
  store.audit.list = async (query) => {
    begun++
    await may.promise
    return await list(query)
  }
  const statuses: number[] = []
  const ask = async () => void statuses.push((await call('GET', '/v1/audit')).status)
  const asked = Array.from({ length: 3 + 1_000 + 1 }, ask)
  await expect.poll(() => statuses, { timeout: 60_000 }).toEqual([503])
  expect(begun).toBe(3)
  may.resolve()
  await Promise.all(asked)
  expect(statuses.filter((status) => status === 200)).toHaveLength(1_003)
})
