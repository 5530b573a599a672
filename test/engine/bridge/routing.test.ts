import { encode } from 'cborg'
import { describe, expect, test } from 'vitest'
import { bridgeDhtProtocol } from '../../../src/engine/bridge/dht-questions.ts'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { DhtUnavailable, RecordNotFound } from '../../../src/errors.ts'
import { immutableKey, ownKey, sealOwnRecord } from '../../../src/model/dht-record.ts'
import { bridgedNetworks, linkTo } from '../../fixtures/bridged-networks.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const options = () => ({ signal: AbortSignal.timeout(30_000) })
const value = Buffer.from('a value')
const key = immutableKey(value)

/** A node of each network, linked to a bridge. */
async function acrossBridge() {
  const networks = bridgedNetworks()
  const bridge = await networks.bridge()
  const [here, there] = [await networks.node('custom'), await networks.node('libp2p')]
  for (const node of [here, there]) await linkTo(node, bridge)
  return { networks, bridge, here, there }
}

async function providersOf(node: P2PEngine): Promise<string[]> {
  return (await Array.fromAsync(node.routing.findProviders(cid, options()))).map(({ peerId }) => peerId)
}

/** A node that says what a bridge would say, whatever it is asked. */
async function linkedLiar(answer: unknown) {
  const networks = bridgedNetworks()
  const [node, liar] = [await networks.node('custom'), await networks.plainNode('custom')]
  await liar.handle(bridgeDhtProtocol, async () => encode(answer), { maxRequestBytes: 2_048, maxConcurrent: 10 })
  await linkTo(node, liar)
  return node
}

describe('what is in the DHT of one network', () => {
  test('is found from the other: values and providers, in both directions', async () => {
    const { here, there } = await acrossBridge()
    await there.routing.put(key, value, options())
    expect(Buffer.from(await here.routing.get(key, options()))).toEqual(value)
    const record = await here.routing.putOwn('name', value, options())
    expect(Buffer.from(await there.routing.get(ownKey(here.peerId, 'name'), options()))).toEqual(Buffer.from(record))
    await there.routing.provide(cid, options())
    expect(await providersOf(here)).toEqual([there.peerId])
    await here.routing.provide(cid, options())
    expect(await providersOf(here)).toEqual([there.peerId])
    expect(await providersOf(there)).toEqual([here.peerId])
  })

  test('is not copied: it is gone from the other when the bridge is', async () => {
    const { networks, bridge, here, there } = await acrossBridge()
    await there.routing.put(key, value, options())
    await here.routing.get(key, options())
    await bridge.stop()
    await linkTo(here, await networks.plainNode('custom'))
    await expect(here.routing.get(key, options())).rejects.toThrow(RecordNotFound)
  })

  test('is the newest of both that counts', async () => {
    const { here, there, bridge } = await acrossBridge()
    const { seed, peerId } = await createMemoryIdentity()
    const [older, newer] = await Promise.all(
      [1n, 2n].map((sequence) => sealOwnRecord({ name: 'name', value, sequence, issuedAt: 0 }, seed)),
    )
    if (older === undefined || newer === undefined) throw new Error('no records')
    await here.routing.put(ownKey(peerId, 'name'), older, options())
    await there.routing.put(ownKey(peerId, 'name'), newer, options())
    for (const node of [here, there, bridge]) expect(await node.routing.get(ownKey(peerId, 'name'), options())).toEqual(newer)
  })
})

test('a node announces and stores in its own network only', async () => {
  const { networks, here } = await acrossBridge()
  const other = await networks.node('libp2p')
  await linkTo(other, await networks.plainNode('libp2p'))
  await here.routing.put(key, value, options())
  await here.routing.provide(cid, options())
  await expect(other.routing.get(key, options())).rejects.toThrow(RecordNotFound)
  expect(await providersOf(other)).toEqual([])
})

test('a node that takes no part in a DHT asks no bridge', async () => {
  const { networks, bridge, there } = await acrossBridge()
  const node = await networks.node('custom', { dht: false })
  await linkTo(node, bridge)
  await there.routing.put(key, value, options())
  await expect(node.routing.get(key, options())).rejects.toThrow(RecordNotFound)
})

describe('a bridge that lies', () => {
  test('brings no record that does not prove its key', async () => {
    const node = await linkedLiar({ record: Buffer.from('another value') })
    await expect(node.routing.get(key, options())).rejects.toThrow(RecordNotFound)
  })

  test.each([
    ['more providers than asked for', { providers: Array.from({ length: 21 }, (_, i) => ({ peerId: `peer-${i}`, multiaddrs: [] })) }],
    [
      'more addresses than a peer has',
      { providers: [{ peerId: 'peer', multiaddrs: Array.from({ length: 33 }, () => '/ip4/1.2.3.4/tcp/1') }] },
    ],
    ['something else', ['providers']],
  ])('is not heard when it brings %s', async (_, answer) => {
    expect(await providersOf(await linkedLiar(answer))).toEqual([])
  })
})

test('without a bridge, what is missing is missing', async () => {
  const node = await bridgedNetworks().node('custom')
  await expect(node.routing.get(key, options())).rejects.toThrow(DhtUnavailable)
})
