import { randomBytes } from 'node:crypto'
import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createDhtNode } from '../../../../src/engine/custom/dht/dht-node.ts'
import { type Contact, decodeAnswer, decodeRequest, encodeFrame } from '../../../../src/engine/custom/dht/frames.ts'
import { createHoldings } from '../../../../src/engine/custom/dht/holdings.ts'
import { commonBits, compareDistance, placeOf, placeOfPeer, placeWithCommonBits } from '../../../../src/engine/custom/dht/key-space.ts'
import { type DhtNodeLimits, defaultDhtLimits } from '../../../../src/engine/custom/dht/limits.ts'
import { lookUp, NotAsked } from '../../../../src/engine/custom/dht/lookup.ts'
import { createRoutingTable } from '../../../../src/engine/custom/dht/routing-table.ts'
import { createDhtQuota } from '../../../../src/engine/dht-quota.ts'
import { DhtQuotaReached, InvalidRecord, RecordOutdated } from '../../../../src/errors.ts'
import { defaultLimits, type Limits } from '../../../../src/limits.ts'
import { immutableKey, ownKey, sealOwnRecord } from '../../../../src/model/dht-record.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'
import { createMemoryStore } from '../../../fixtures/memory-store.ts'

const signal = new AbortController().signal
const self = (await createMemoryIdentity()).peerId
const strangers = await Promise.all(Array.from({ length: 60 }, async () => (await createMemoryIdentity()).peerId))
const contactOf = (peerId: string): Contact => ({ peerId, multiaddrs: [`/ip4/192.0.2.1/tcp/1/ws/p2p/${peerId}`] })
const first = strangers[0] ?? ''

describe('places', () => {
  test('have as many bits in common as was asked for', () => {
    const place = randomBytes(32)
    for (const bits of [0, 1, 7, 8, 100, 255]) expect(commonBits(place, placeWithCommonBits(place, bits, randomBytes))).toBe(bits)
    expect(commonBits(place, place)).toBe(256)
  })

  test('are as far apart as XOR says', () => {
    const number = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), fc.nat(), fc.nat(), (target, a, b) => {
        const [left, right] = [placeOf(Buffer.from(`${a}`)), placeOf(Buffer.from(`${b}`))]
        const expected = (number(left) ^ number(target)) - (number(right) ^ number(target))
        expect(Math.sign(compareDistance(Buffer.from(target), left, right))).toBe(expected < 0n ? -1 : expected > 0n ? 1 : 0)
      }),
    )
  })
})

describe('frames', () => {
  const bytes = fc.uint8Array({ maxLength: 100 })

  test('are what they were, or refused', () => {
    const request = { type: 'add-provider' as const, place: new Uint8Array(32), multiaddrs: ['/x'] }
    expect(decodeRequest(encodeFrame(request))).toEqual(request)
    for (const wrong of [
      { type: 'find-node', place: new Uint8Array(31) },
      { type: 'find-node', place: 'text' },
      { type: 'put-value', key: 'x', record: new Uint8Array(80_000), ageMs: 0 },
      { type: 'put-value', key: 'x', record: new Uint8Array(1), ageMs: -1 },
      { type: 'add-provider', place: new Uint8Array(32), multiaddrs: Array(9).fill('/x') },
      { type: 'add-provider', place: new Uint8Array(32), multiaddrs: ['x'.repeat(257)] },
      { type: 'other' },
    ]) {
      expect(() => decodeRequest(encode(wrong))).toThrow()
    }
    expect(() => decodeAnswer(encode({ closer: Array(21).fill({ peerId: 'x', multiaddrs: [] }) }))).toThrow()
  })

  test('of any bytes end in an error at most', () => {
    fc.assert(
      fc.property(bytes, (frame) => {
        for (const decodeFrame of [decodeRequest, decodeAnswer]) {
          try {
            decodeFrame(frame)
          } catch (error) {
            expect(error).toBeInstanceOf(Error)
          }
        }
      }),
    )
  })
})

describe('the table', () => {
  function tableOf(limits: Partial<DhtNodeLimits> = {}, networkOf: (contact: Contact) => string | undefined = () => undefined) {
    return createRoutingTable({ peerId: self, limits: { ...defaultDhtLimits, ...limits } }, { now: () => 0, networkOf })
  }
  const inOneBucket = strangers.filter((peerId) => commonBits(placeOfPeer(self), placeOfPeer(peerId)) === 0)

  test('keeps who was there first as long as it answers, and takes one of the reserve in its place', () => {
    const table = tableOf({ k: 2 })
    const [a = '', b = '', c = '', d = ''] = inOneBucket
    for (const peerId of [a, b, c, d]) table.seen(contactOf(peerId))
    expect([a, b, c, d].map((peerId) => table.get(peerId) !== undefined)).toEqual([true, true, false, false])
    table.failed(a)
    expect(table.get(a)).toBeDefined()
    table.failed(a)
    expect([a, b, c, d].map((peerId) => table.get(peerId) !== undefined)).toEqual([false, true, false, true])
    // One that answers again begins anew.
    table.failed(b)
    table.seen(contactOf(b))
    table.failed(b)
    expect(table.get(b)).toBeDefined()
  })

  test('takes two of one network into a bucket', () => {
    const table = tableOf({}, () => '192.0.2')
    for (const peerId of inOneBucket.slice(0, 5)) table.seen(contactOf(peerId))
    expect(table.size).toBe(2)
  })

  test('answers the closest, the closest first, and never itself or who has no address', () => {
    const table = tableOf()
    for (const peerId of strangers) table.seen(contactOf(peerId))
    table.seen(contactOf(self))
    table.seen({ peerId: first, multiaddrs: [] })
    const target = randomBytes(32)
    const known = strangers.filter((peerId) => table.get(peerId) !== undefined)
    const sorted = known.toSorted((a, b) => compareDistance(target, placeOfPeer(a), placeOfPeer(b)))
    expect(table.closest(target, 20).map(({ peerId }) => peerId)).toEqual(sorted.slice(0, 20))
  })
})

describe('a lookup', () => {
  const limits = { ...defaultDhtLimits, maxCandidates: 10 }
  const start = strangers.slice(0, 3).map(contactOf)

  test('asks nobody twice, and whom it does not know only as far as its limits go', async () => {
    const asked: string[] = []
    const junk = ['nobody', '', 'x'.repeat(64)].map(contactOf)
    const result = await lookUp(
      { target: randomBytes(32), limits, start, self },
      {
        async ask({ peerId }) {
          asked.push(peerId)
          return { closer: [...junk, contactOf(self), ...strangers.slice(0, 20).map(contactOf)] }
        },
        onAnswer: () => false,
        signal,
      },
    )
    expect(new Set(asked).size).toBe(asked.length)
    expect(asked.every((peerId) => strangers.includes(peerId))).toBe(true)
    expect(result.asked).toBe(asked.length)
    expect(asked.length).toBeLessThanOrEqual(limits.paths * limits.maxCandidates)
  })

  test('ends when it is told to, when nobody answers, and when its time is over', async () => {
    const answer = { closer: strangers.map(contactOf).slice(0, 20) }
    const stop = await lookUp({ target: randomBytes(32), limits, start, self }, { ask: async () => answer, onAnswer: () => true, signal })
    expect(stop.asked).toBeLessThanOrEqual(6)
    const refuse = () => Promise.reject(new NotAsked('no'))
    expect(
      (await lookUp({ target: randomBytes(32), limits, start, self }, { ask: refuse, onAnswer: () => false, signal })).closest,
    ).toEqual([])
    const never = new Promise<never>(() => undefined)
    const late = { ask: () => never, onAnswer: () => false, signal: AbortSignal.timeout(20) }
    expect((await lookUp({ target: randomBytes(32), limits, start, self }, late)).closest).toEqual([])
    expect((await lookUp({ target: randomBytes(32), limits, start: [], self }, late)).asked).toBe(0)
  })
})

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
        timeout: (ms) => AbortSignal.timeout(ms),
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
