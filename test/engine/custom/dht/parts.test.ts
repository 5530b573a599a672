import { randomBytes } from 'node:crypto'
import { encode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Contact, decodeAnswer, decodeRequest, encodeFrame } from '../../../../src/engine/custom/dht/frames.ts'
import { type DhtNodeLimits, defaultDhtLimits } from '../../../../src/engine/custom/dht/limits.ts'
import { lookUp, NotAsked } from '../../../../src/engine/custom/dht/lookup.ts'
import { createRoutingTable } from '../../../../src/engine/custom/dht/routing-table.ts'
import { commonBits, compareDistance, placeOf, placeOfPeer, placeWithCommonBits } from '../../../../src/engine/key-space.ts'
import { contactOf, first, self, signal, strangers } from '../../../fixtures/dht-peers.ts'

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
    const known = strangers.filter((peerId) => table.get(peerId) !== undefined)
    const own = placeOfPeer(self)
    const near = [0, 1, 2, 3, 4, 5, 8, 255].map((bits) => placeWithCommonBits(own, bits, randomBytes))
    for (const target of [randomBytes(32), own, ...known.slice(0, 5).map(placeOfPeer), ...near]) {
      const sorted = known.toSorted((a, b) => compareDistance(target, placeOfPeer(a), placeOfPeer(b)))
      for (const count of [1, 20, known.length])
        expect(table.closest(target, count).map(({ peerId }) => peerId)).toEqual(sorted.slice(0, count))
    }
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
