import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createDhtNode } from '../../../../src/engine/custom/dht/dht-node.ts'
import { createHoldings } from '../../../../src/engine/custom/dht/holdings.ts'
import { type DhtNodeLimits, defaultDhtLimits } from '../../../../src/engine/custom/dht/limits.ts'
import { createDhtQuota } from '../../../../src/engine/dht-quota.ts'
import { placeOfPeer } from '../../../../src/engine/key-space.ts'
import { DhtQuotaReached } from '../../../../src/errors.ts'
import { createDeadline } from '../../../../src/lib/deadline.ts'
import { defaultLimits } from '../../../../src/limits.ts'
import { immutableKey } from '../../../../src/model/dht-record.ts'
import { contactOf, first, self, signal, strangers } from '../../../fixtures/dht-peers.ts'
import { createMemoryStore } from '../../../fixtures/memory-store.ts'

describe('a node', () => {
  async function nodeOf(limits: Partial<DhtNodeLimits> = {}, random = () => 0.5) {
    const all = { ...defaultDhtLimits, ...limits }
    const clock = { now: 0 }
    const quota = createDhtQuota({ limits: { ...defaultLimits, maxDhtRecordsPerPeer: 10 } })
    const holdings = createHoldings({ limits: all }, { records: createMemoryStore().records, quota, now: () => clock.now })
    const node = createDhtNode(
      { peerId: self, limits: all, timeoutMs: 1_000 },
      {
        holdings,
        ask: () => Promise.reject(new Error('nobody')),
        now: () => clock.now,
        random,
        randomBytes,
        deadline: createDeadline,
        ownAddresses: () => [],
        networkOf: () => undefined,
      },
    )
    return { node, clock, holdings }
  }

  test('answers a peer so many requests at once, then so many a second', async () => {
    const { node, clock } = await nodeOf({ requestsPerSecond: 2, requestsBurst: 3 })
    const ask = () => node.answer(first, { type: 'find-node', place: new Uint8Array(32) })
    for (let count = 0; count < 3; count++) await ask()
    await expect(ask()).rejects.toThrow(/too many/)
    await node.answer(strangers[1] ?? '', { type: 'find-node', place: new Uint8Array(32) })
    clock.now = 1_000
    await ask()
    await ask()
    await expect(ask()).rejects.toThrow(/too many/)
  })

  test('refuses records by name: those that prove nothing, and those beyond the quota', async () => {
    const { node, holdings } = await nodeOf()
    const put = (key: string, record: Uint8Array) => node.answer(first, { type: 'put-value', key, record, ageMs: 0 })
    expect(await put(immutableKey(Buffer.from('a')), Buffer.from('b'))).toEqual({ refused: 'invalid' })
    expect(await put('nonsense', Buffer.from('b'))).toEqual({ refused: 'invalid' })
    const answers = []
    for (let number = 0; number < 12; number++) answers.push(await put(immutableKey(Buffer.from(`${number}`)), Buffer.from(`${number}`)))
    expect(answers).toEqual([...Array(10).fill({}), { refused: 'full' }, { refused: 'full' }])
    expect(await node.answer(first, { type: 'add-provider', place: new Uint8Array(32), multiaddrs: [] })).toEqual({ refused: 'full' })
    expect(holdings.values()).toHaveLength(10)
  })

  test('takes nobody for a provider but who says it itself, at addresses that name it', async () => {
    const { node } = await nodeOf()
    const place = new Uint8Array(32)
    const multiaddrs = [`/ip4/192.0.2.1/tcp/1/ws/p2p/${first}`, `/ip4/192.0.2.1/tcp/1/ws/p2p/${strangers[1]}`, '/ip4/192.0.2.1/tcp/1/ws']
    await node.answer(first, { type: 'add-provider', place, multiaddrs })
    const { providers } = await node.answer(strangers[2] ?? '', { type: 'get-providers', place })
    expect(providers).toEqual([{ peerId: first, multiaddrs: multiaddrs.slice(0, 1) }])
  })

  test('does not leave out who says where it is itself, however many others say that they are there', async () => {
    const { node } = await nodeOf({ maxProviders: 3 })
    const place = placeOfPeer(first)
    for (const peerId of strangers.slice(0, 20)) {
      await node.answer(peerId, { type: 'add-provider', place, multiaddrs: contactOf(peerId).multiaddrs })
    }
    const { providers = [] } = await node.answer(self, { type: 'get-providers', place })
    expect(providers).toHaveLength(3)
    expect(providers.map(({ peerId }) => peerId)).toContain(first)
  })

  test('draws no more providers than it answers, however many there are', async () => {
    let draws = 0
    const { node } = await nodeOf({ maxProviders: 3 }, () => {
      draws++
      return 0.5
    })
    const place = new Uint8Array(32)
    for (const peerId of strangers) await node.answer(peerId, { type: 'add-provider', place, multiaddrs: contactOf(peerId).multiaddrs })
    draws = 0
    const { providers = [] } = await node.answer(self, { type: 'get-providers', place })
    expect([new Set(providers.map(({ peerId }) => peerId)).size, draws]).toEqual([3, 3])
  })

  test('provides so many contents and no more', async () => {
    const { node } = await nodeOf({ maxProvided: 1 })
    node.connected(contactOf(first))
    const cid = (last: string) => `bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2deve${last}`
    await expect(node.provide(cid('i4'), { signal })).rejects.toThrow(/accepted the announcement/)
    await expect(node.provide('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy', { signal })).rejects.toBeInstanceOf(
      DhtQuotaReached,
    )
  })
})
