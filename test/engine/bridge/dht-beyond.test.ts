import { encode } from 'cborg'
import { describe, expect, test } from 'vitest'
import { newSearch, type Search } from '../../../src/engine/bridge/carry.ts'
import { createDhtAnswering } from '../../../src/engine/bridge/dht-answering.ts'
import { type Answer, bridgeDhtProtocol, decodeQuestion, type Question } from '../../../src/engine/bridge/dht-questions.ts'
import type { ConnectedPeer, P2PEngine } from '../../../src/engine/engine.ts'
import { RecordNotFound } from '../../../src/errors.ts'
import { decodeCbor } from '../../../src/lib/cbor.ts'
import { immutableKey, ownKey, sealOwnRecord } from '../../../src/model/dht-record.ts'
import { bridgedNetworks, linkTo } from '../../fixtures/bridged-networks.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const { signal } = new AbortController()
const options = { signal }
const value = Buffer.from('a value')
const key = immutableKey(value)

const providersOf = async (node: P2PEngine) => (await Array.fromAsync(node.routing.findProviders(cid, options))).map(({ peerId }) => peerId)

/** A custom network, a bridge, a libp2p network, a bridge, and another custom network. */
async function inARow() {
  const networks = bridgedNetworks()
  const [here, there] = [await networks.node('custom1'), await networks.node('custom2')]
  const near = await networks.bridge({ between: ['custom1', 'libp2p'] })
  const far = await networks.bridge({ between: ['custom2', 'libp2p'] })
  const links: Array<[P2PEngine, P2PEngine]> = [
    [here, near],
    [near, far],
    [far, there],
  ]
  for (const [one, other] of links) await linkTo(one, other)
  return { networks, here, near, far, there }
}

test('what is in the DHT of a network beyond another is found, by bridges too, and is not copied', async () => {
  const { here, near, far, there } = await inARow()
  await there.routing.put(key, value, options)
  await there.routing.provide(cid, options)
  for (const node of [here, near]) {
    expect(Buffer.from(await node.routing.get(key, options))).toEqual(value)
    expect(await providersOf(node)).toEqual([there.peerId])
  }
  await far.stop()
  await expect(here.routing.get(key, options)).rejects.toThrow(RecordNotFound)
  expect(await providersOf(here)).toEqual([])
})

test('a far bridge that brings false records and providers hides none', async () => {
  const { networks, near, here, there } = await inARow()
  const liar = await networks.idleBridge({ between: ['custom2', 'libp2p'] })
  const made = Array.from({ length: 20 }, (_, place) => ({ peerId: `made-up-${place}`, multiaddrs: [] }))
  const lie = async ({ body }: { body: Uint8Array }) =>
    encode(decodeQuestion(body).type === 'get' ? { record: Buffer.from('another value') } : { providers: made })
  await liar.engine.handle(bridgeDhtProtocol, lie, { maxRequestBytes: 2_048, maxConcurrent: 10 })
  await linkTo(near, liar.engine)
  await there.routing.put(key, value, options)
  await there.routing.provide(cid, options)
  expect(Buffer.from(await here.routing.get(key, options))).toEqual(value)
  expect(await providersOf(here)).toContain(there.peerId)
})

describe('a bridge', () => {
  /** A bridge whose asker is in one network, with others in the other, which answer what the test says. */
  function bridgeBeside(names: string[], answer: (bridge: string) => Answer = () => ({})) {
    const asked: Array<{ bridge: string; question: Question }> = []
    const peer = (peerId: string, network: 'custom' | 'libp2p') =>
      Object.assign(Object.create(null) as ConnectedPeer, { peerId, networks: [network], protocols: [bridgeDhtProtocol] })
    const answering = createDhtAnswering({
      engine: {
        networks: [],
        peers: async () => [peer('asker', 'custom'), peer('beside it', 'custom'), ...names.map((name) => peer(name, 'libp2p'))],
        async request(bridge, _, body) {
          asked.push({ bridge, question: decodeQuestion(body) })
          return encode(answer(bridge))
        },
      },
    })
    const ask = async (question: { type?: 'providers'; key?: string; timeoutMs?: number; search?: Search }) => {
      const of = question.type === undefined ? { type: 'get', key } : { cid }
      const body = encode({ ...of, timeoutMs: 10_000, ...question })
      return decodeCbor(await answering({ from: 'asker', body, signal }), { maxItems: 10_000 })
    }
    return { ask, asked }
  }

  test('asks four bridges beside its asker at most, with one hop and 250 ms less, and none unless it is to search', async () => {
    const { ask, asked } = bridgeBeside(['one', 'two', 'three', 'four', 'five'])
    const search = newSearch()
    await ask({ search })
    expect(asked.map(({ bridge }) => bridge)).toEqual(['one', 'two', 'three', 'four'])
    expect(asked[0]?.question).toMatchObject({ key, timeoutMs: 9_750, search: { hops: search.hops - 1 } })
    await ask({})
    await ask({ search: newSearch(), timeoutMs: 250 })
    expect(asked.length).toBe(4)
    await ask({ search: { ...newSearch(), hops: 1 }, timeoutMs: 60_000 })
    expect(asked.length).toBe(8)
    expect(asked[4]?.question).toEqual({ type: 'get', key, timeoutMs: 9_750 })
  })

  test('takes a search once, until 1,024 others have been there', async () => {
    const { ask, asked } = bridgeBeside(['one'])
    const search = newSearch()
    for (let turn = 0; turn < 2; turn++) await ask({ search })
    expect(asked.length).toBe(1)
    // Without time for the next bridge it asks none.
    for (let other = 1; other < 1_024; other++) await ask({ search: newSearch(), timeoutMs: 1 })
    await ask({ search })
    expect(asked.length).toBe(1)
    await ask({ search: newSearch(), timeoutMs: 1 })
    await ask({ search })
    expect(asked.length).toBe(2)
  })

  test('brings what it finds on every way on which it is asked, whoever has sent the search ahead', async () => {
    const { ask, asked } = bridgeBeside(['one'], () => ({ record: value }))
    const search = newSearch()
    const ahead = [
      ask({ key: immutableKey(Buffer.from('another value')), search }),
      ask({ search: { ...search, hops: 1 } }),
      ask({ search, timeoutMs: 1 }),
      ask({ search }),
    ]
    expect(await Promise.all([ask({ search }), ask({ search })])).toEqual([
      { record: Uint8Array.from(value) },
      { record: Uint8Array.from(value) },
    ])
    await Promise.all(ahead)
    expect(asked.filter(({ question }) => question.search?.hops === search.hops - 1).length).toBe(2)
  })

  test('brings the newest record that proves its key', async () => {
    const { seed, peerId } = await createMemoryIdentity()
    const seal = (sequence: bigint) => sealOwnRecord({ name: 'name', value, sequence, issuedAt: 0 }, seed)
    const records: Record<string, Uint8Array> = { old: await seal(1n), new: await seal(3n), older: await seal(2n), false: value }
    const { ask } = bridgeBeside(Object.keys(records), (bridge) => ({ record: records[bridge] }))
    expect(await ask({ key: ownKey(peerId, 'name'), search: newSearch() })).toEqual({ record: records['new'] })
  })

  test('brings some providers of each, twenty in all', async () => {
    const of = (bridge: string, count: number) =>
      Array.from({ length: count }, (_, place) => ({ peerId: `${bridge}-${place}`, multiaddrs: [] }))
    const { ask } = bridgeBeside(['many', 'few'], (bridge) => ({ providers: of(bridge, bridge === 'few' ? 2 : 20) }))
    const { providers } = (await ask({ type: 'providers', search: newSearch() })) as { providers: Array<{ peerId: string }> }
    expect(providers.length).toBe(20)
    expect(providers.map(({ peerId }) => peerId)).toEqual(expect.arrayContaining(['few-0', 'few-1', 'many-17']))
  })
})
