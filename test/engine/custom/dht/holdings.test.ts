import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createHoldings } from '../../../../src/engine/custom/dht/holdings.ts'
import { defaultDhtLimits } from '../../../../src/engine/custom/dht/limits.ts'
import { createDhtQuota } from '../../../../src/engine/dht-quota.ts'
import { DhtQuotaReached, InvalidRecord, RecordOutdated } from '../../../../src/errors.ts'
import { defaultLimits, type Limits } from '../../../../src/limits.ts'
import { immutableKey, ownKey, sealOwnRecord } from '../../../../src/model/dht-record.ts'
import { contactOf, first, strangers } from '../../../fixtures/dht-peers.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'
import { createMemoryStore } from '../../../fixtures/memory-store.ts'

describe('what is kept', () => {
  async function holdingsOf(quota: Partial<Limits> = {}, store = createMemoryStore()) {
    const clock = { now: 1_800_000_000_000 }
    const limits = { ...defaultDhtLimits }
    const components = {
      records: store.records,
      quota: createDhtQuota({ limits: { ...defaultLimits, ...quota } }),
      // As if peer ids of strangers, all but the first, came from one address.
      hostOf: (peerId: string) => (strangers.indexOf(peerId) > 0 ? 'one address' : peerId),
      now: () => clock.now,
    }
    const holdings = createHoldings({ limits }, components)
    await holdings.load()
    return { holdings, clock, store }
  }
  const keep = ({ holdings, clock }: Awaited<ReturnType<typeof holdingsOf>>, value: Buffer, from = first) =>
    holdings.keepValue(immutableKey(value), value, { from, putAt: clock.now })

  test('proves its key', async () => {
    const { holdings, clock } = await holdingsOf()
    const about = { from: first, putAt: clock.now }
    await expect(holdings.keepValue(immutableKey(Buffer.from('a')), Buffer.from('b'), about)).rejects.toBeInstanceOf(InvalidRecord)
    await expect(holdings.keepValue(ownKey(first, 'n'), randomBytes(100), about)).rejects.toBeInstanceOf(InvalidRecord)
    await expect(holdings.keepValue('/other/x', Buffer.from('b'), about)).rejects.toBeInstanceOf(InvalidRecord)
    expect(holdings.values()).toEqual([])
  })

  test('is the newest of its owner', async () => {
    const { holdings, clock } = await holdingsOf()
    const owner = await createMemoryIdentity()
    const key = ownKey(owner.peerId, 'n')
    const record = (sequence: bigint) => sealOwnRecord({ name: 'n', sequence, issuedAt: 1, value: Buffer.from('v') }, owner.seed)
    const [older, newer] = [await record(1n), await record(2n)]
    const about = { from: first, putAt: clock.now }
    await holdings.keepValue(key, newer, about)
    await expect(holdings.keepValue(key, older, about)).rejects.toBeInstanceOf(RecordOutdated)
    expect((await holdings.value(key))?.record).toEqual(newer)
  })

  test('of one peer ends at its quota, by number and bytes, and survives a restart', async () => {
    const made = await holdingsOf({ maxDhtRecordsPerPeer: 3 })
    for (let number = 0; number < 3; number++) await keep(made, Buffer.from(`${number}`))
    await expect(keep(made, Buffer.from('more'))).rejects.toBeInstanceOf(DhtQuotaReached)
    await expect(made.holdings.keepProvider('00', contactOf(first))).rejects.toBeInstanceOf(DhtQuotaReached)
    await keep(made, Buffer.from('0'))
    await keep(made, Buffer.from('another'), strangers[1])
    const again = await holdingsOf({ maxDhtRecordsPerPeer: 3 }, made.store)
    expect(Buffer.from((await again.holdings.value(immutableKey(Buffer.from('1'))))?.record ?? []).toString()).toBe('1')
    await expect(keep(again, Buffer.from('more'))).rejects.toBeInstanceOf(DhtQuotaReached)
    const bytes = await holdingsOf({ maxDhtBytesPerPeer: 1_000 })
    await keep(bytes, randomBytes(900))
    await expect(keep(bytes, randomBytes(200))).rejects.toBeInstanceOf(DhtQuotaReached)
  })

  test('of one address, from whatever peer ids, ends at a quarter while others have any, and survives a restart', async () => {
    const made = await holdingsOf({ maxDhtRecords: 12 })
    await keep(made, Buffer.from('of another address'))
    await keep(made, Buffer.from('1'), strangers[1])
    await keep(made, Buffer.from('2'), strangers[2])
    await made.holdings.keepProvider('00', contactOf(strangers[3] ?? ''))
    await expect(keep(made, Buffer.from('4'), strangers[4])).rejects.toBeInstanceOf(DhtQuotaReached)
    await expect(made.holdings.keepProvider('00', contactOf(strangers[5] ?? ''))).rejects.toBeInstanceOf(DhtQuotaReached)
    const again = await holdingsOf({ maxDhtRecords: 12 }, made.store)
    await expect(keep(again, Buffer.from('4'), strangers[4])).rejects.toBeInstanceOf(DhtQuotaReached)
    await keep(again, Buffer.from('more'))
  })

  test('of one author, whoever leaves it, ends at a quarter while others have any', async () => {
    const quota = createDhtQuota({ limits: { ...defaultLimits, maxDhtRecords: 12 } })
    const record = (from: string, author?: string) => ({ from, host: from, author, bytes: 1 })
    quota.add(record('other'))
    for (const from of ['a', 'b', 'c']) {
      quota.check(record(from, 'author'), undefined)
      quota.add(record(from, 'author'))
    }
    expect(() => quota.check(record('d', 'author'), undefined)).toThrow(DhtQuotaReached)
    quota.check(record('d', 'another author'), undefined)
    // In the place of one that is there.
    quota.check(record('d', 'author'), record('a', 'author'))
    expect(() => quota.check({ from: undefined, bytes: defaultLimits.maxDhtBytes }, undefined)).toThrow(/records of this gateway/)
  })

  test('is forgotten when its time is over', async () => {
    const made = await holdingsOf({ maxDhtRecordsPerPeer: 2 })
    await keep(made, Buffer.from('value'))
    await made.holdings.keepProvider('00', contactOf(first))
    made.clock.now += 25 * 3_600_000
    expect(made.holdings.providers('00')).toEqual([])
    await made.holdings.sweep()
    await made.holdings.keepProvider('01', contactOf(first))
    made.clock.now += 24 * 3_600_000
    expect(await made.holdings.value(immutableKey(Buffer.from('value')))).toBeUndefined()
    await made.holdings.sweep()
    expect(made.holdings.values()).toEqual([])
    await keep(made, Buffer.from('value'))
  })

  test('on behalf of this node is said again after a restart', async () => {
    const { holdings, store } = await holdingsOf()
    await holdings.provide('aa')
    await holdings.provide('bb')
    await holdings.stopProviding('bb')
    expect([...(await holdingsOf({}, store)).holdings.provided.keys()]).toEqual(['aa'])
  })
})
