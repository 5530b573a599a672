import { expect, test } from 'vitest'
import type { Peer } from '../../src/model/peer.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

async function gatewayWith(env: Record<string, string>) {
  const gateway = await gatewayForTest({ ...quietEnvironment(await temporaryDirectory(), 'libp2p'), ...env })
  return { ...gateway, rest: createRest(gateway.url) }
}

/* With the custom engine a link becomes direct behind routers only: `hidden-nodes.test.ts`. */

test('with libp2p the path to a peer and since when it is used are shown, over a relay and then directly', async () => {
  const relay = await gatewayWith({ PEERGATE_RELAY: 'true' })
  const [relayAddress = ''] = relay.multiaddrs
  const there = await gatewayWith({ PEERGATE_LISTEN: '/ip4/127.0.0.1/tcp/0,/p2p-circuit', PEERGATE_BOOTSTRAP: relayAddress })
  const here = await gatewayWith({ PEERGATE_LISTEN: '/p2p-circuit' })
  const addresses = async () => (await there.rest.get<{ multiaddrs: string[] }>('/v1/node')).multiaddrs
  const isCircuit = (address: string) => address.includes('/p2p-circuit')
  await expect.poll(async () => (await addresses()).some(isCircuit)).toBe(true)
  const of = async (at: typeof here, peer: typeof here) => {
    const { items } = await at.rest.get<{ items: Peer[] }>('/v1/peers?state=connected')
    return items.find(({ peerId }) => peerId === peer.peerId)
  }
  const ends = [
    [here, there],
    [there, here],
  ] as const

  const before = Date.now()
  const dial = async (multiaddr = '') => expect((await here.rest.call('POST', '/v1/peers', { multiaddr })).status).toBeLessThan(300)
  await dial((await addresses()).find(isCircuit))
  for (const [one, other] of ends) await expect.poll(() => of(one, other)).toMatchObject({ path: 'relay', via: relay.peerId })
  const relayedSince = await Promise.all(ends.map(async ([one, other]) => Date.parse((await of(one, other))?.since ?? '')))
  for (const since of relayedSince) expect(since).toBeGreaterThanOrEqual(before)

  await dial((await addresses()).find((address) => !isCircuit(address)))
  for (const [one, other] of ends) await expect.poll(() => of(one, other)).toMatchObject({ path: 'tcp', via: null })
  const directSince = await Promise.all(ends.map(async ([one, other]) => (await of(one, other))?.since ?? ''))
  for (const [index, since] of directSince.entries()) {
    expect(Date.parse(since)).toBeGreaterThan(relayedSince[index] ?? Number.POSITIVE_INFINITY)
    expect(Date.parse(since)).toBeLessThanOrEqual(Date.now())
  }
  // What is exchanged on the path does not change it.
  await here.rest.call('POST', `/v1/peers/${there.peerId}/ping`)
  for (const [index, [one, other]] of ends.entries()) expect((await of(one, other))?.since).toBe(directSince[index])
})
