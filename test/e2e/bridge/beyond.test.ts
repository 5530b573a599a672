import { expect, test } from 'vitest'
import type { DeliveryView } from '../../../src/model/delivery.ts'
import { type MovingGateway, movingGateway } from '../../fixtures/moving-gateway.ts'

const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

const providersAt = async ({ rest }: MovingGateway) => {
  const { items } = await rest.get<{ items: Array<{ peerId: string }> }>(`/v1/dht/providers/${cid}?timeoutMs=15000`)
  return items.map(({ peerId }) => peerId)
}

test('values and providers of either DHT are found from the other network', async () => {
  const [bridge, here, there] = [await movingGateway(), await movingGateway(), await movingGateway()]
  await bridge.start('both')
  await here.start('custom', [bridge])
  await there.start('libp2p', [bridge])
  for (const [from, to] of [
    [here, there],
    [there, here],
  ] as const) {
    const put = () => from.rest.call<{ key: string }>('PUT', '/v1/dht/values', { data: `of ${from.peerId}` })
    await expect.poll(async () => (await put()).status, { timeout: 30_000 }).toBeLessThan(300)
    const { key } = (await put()).body
    const read = () => to.rest.call<{ data: string }>('GET', `/v1/dht/values?key=${key}`)
    await expect.poll(async () => (await read()).body.data, { timeout: 30_000 }).toBe(`of ${from.peerId}`)
    expect((await from.rest.call('POST', `/v1/dht/providers/${cid}`)).status).toBeLessThan(300)
    await expect.poll(() => providersAt(to), { timeout: 30_000 }).toContain(from.peerId)
  }
})

test('two networks of one kind, each with a bridge to a third that has no other gateways, exchange messages', async () => {
  const [here, left, right, there] = await Promise.all(Array.from({ length: 4 }, () => movingGateway()))
  if (here === undefined || left === undefined || right === undefined || there === undefined) throw new Error('no gateways')
  await left.start('both')
  await here.start('custom', [left])
  await right.start('both')
  await there.start('custom', [right])
  const link = { multiaddr: right.address('libp2p') }
  expect((await left.rest.call('POST', '/v1/peers', link)).status).toBeLessThan(300)
  for (const { rest } of [here, there]) expect((await rest.call('PUT', '/v1/topics/orders', {})).status).toBeLessThan(300)
  const pairs = [
    [here, there],
    [there, here],
  ] as const
  for (const [from, to] of pairs) {
    const isThere = async () => {
      await from.rest.publish('orders', `from ${from.peerId}`)
      return (await to.rest.history('topic=orders')).some(({ from: author }) => author === from.peerId)
    }
    await expect.poll(isThere, { timeout: 60_000, interval: 500 }).toBe(true)
    const sent = await from.rest.call<DeliveryView>('POST', `/v1/peers/${to.peerId}/messages`, { data: `direct from ${from.peerId}` })
    expect(sent.status).toBe(202)
    const state = async () => (await from.rest.get<DeliveryView>(`/v1/deliveries/${sent.body.id}`)).state
    await expect.poll(state, { timeout: 60_000 }).toBe('delivered')
    expect((await to.rest.history('kind=direct')).map(({ data }) => data)).toContain(`direct from ${from.peerId}`)
  }
  await expect
    .poll(() => here.rest.get(`/v1/peers/${there.peerId}`))
    .toMatchObject({ path: 'bridge', via: left.peerId, beyond: [right.peerId] })
})
