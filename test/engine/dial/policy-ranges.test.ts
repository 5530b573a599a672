import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isPublicAddress } from '../../../src/engine/dial/policy.ts'
import { policy, sources } from '../../fixtures/dial-policy.ts'

/** Addresses of every range, in every spelling. */

/** Ranges that nobody dials, or no public host has, as the IANA registry of special-purpose IPv4 addresses lists them. */
const specialRanges: Array<[start: string, bits: number]> = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]

const toNumber = (ip: string) => ip.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
const toDotted = (number: number) => [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
const hex = (number: number) => number.toString(16)

const specialAddress = fc
  .constantFrom(...specialRanges)
  .chain(([start, bits]) => fc.nat({ max: 2 ** (32 - bits) - 1 }).map((offset) => toNumber(start) + offset))

test('no address of a special range is public, and none is dialled because another peer told it', () => {
  fc.assert(
    fc.property(specialAddress, (number) => {
      expect(isPublicAddress(toDotted(number))).toBe(false)
      expect(policy().refusal(toDotted(number), 'learnt')).toBeDefined()
      expect(policy(false).refusal(toDotted(number), 'rest')).toBeDefined()
    }),
  )
})

test('an address right beside the special ranges is public', () => {
  const inside = (number: number) =>
    specialRanges.some(([start, bits]) => number >= toNumber(start) && number < toNumber(start) + 2 ** (32 - bits))
  const beside = specialRanges
    .flatMap(([start, bits]) => [toNumber(start) - 1, toNumber(start) + 2 ** (32 - bits)])
    .filter((number) => number >= 0 && number < 2 ** 32 && !inside(number))
  expect(beside.length).toBeGreaterThan(20)
  expect(beside.map(toDotted).filter((ip) => !isPublicAddress(ip))).toEqual([])
})

/** Whether each source may dial, with private addresses and without, on a host that is in networks of both families. */
function verdicts(ip: string): boolean[] {
  const own = ['192.168.7.5/24', 'fd12:3456::5/64']
  return [true, false].flatMap((dialPrivate) => sources.map((source) => policy(dialPrivate, ...own).refusal(ip, source) === undefined))
}

test('an IPv6 address that stands for an IPv4 address is judged as that one, however it is written', () => {
  const address = fc.oneof(specialAddress, fc.nat({ max: 2 ** 32 - 1 }), fc.constantFrom('192.168.7.5', '192.168.7.9').map(toNumber))
  fc.assert(
    fc.property(address, (number) => {
      const ipv4 = toDotted(number)
      const [high, low] = [hex(Math.floor(number / 65536)), hex(number % 65536)]
      const spellings = [
        `::ffff:${ipv4}`,
        `::FFFF:${high}:${low}`,
        `0:0:0:0:0:ffff:${ipv4}%eth0`,
        `::ffff:0:${ipv4}`,
        `64:ff9b::${ipv4}`,
        `0064:FF9B::${high}:${low}`,
        `2002:${high}:${low}::1`,
        // :: and ::1 are addresses of their own, and so is what is beside them.
        ...(number < 65536 ? [] : [`::${ipv4}`, `::${high}:${low}`]),
      ]
      for (const spelling of spellings) expect([spelling, verdicts(spelling)]).toEqual([spelling, verdicts(ipv4)])
      expect(spellings.map(isPublicAddress)).toEqual(spellings.map(() => isPublicAddress(ipv4)))
    }),
  )
})

const prefixes = [
  [],
  [0, 0, 0, 0, 0, 0xffff],
  [0, 0, 0, 0, 0xffff, 0],
  [0, 0, 0, 0, 0, 0, 0],
  [0x64, 0xff9b, 0, 0, 0, 0],
  [0x64, 0xff9b, 1],
  [0x2001],
  [0x2001, 0xdb8],
  [0x2002],
  [0x2606, 0x4700],
  [0xfd00, 0xec2],
  [0xfd12, 0x3456, 0, 0],
  [0xfe80, 0, 0, 0],
  [0xff02],
]
const group = fc.oneof(fc.constantFrom(0, 0, 0, 1, 0x7f00, 0xa00, 0xa9fe, 0xc0a8, 0x705, 0x808), fc.nat({ max: 0xffff }))
const groups = fc
  .tuple(fc.constantFrom(...prefixes), fc.array(group, { minLength: 8, maxLength: 8 }))
  .map(([prefix, rest]) => [...prefix, ...rest].slice(0, 8))

/** One way to write eight groups: a run of zeros left out or not, the end dotted or not, leading zeros, upper case, a zone. */
const style = fc.record({
  gap: fc.tuple(fc.nat({ max: 7 }), fc.integer({ min: 1, max: 8 })),
  dotted: fc.boolean(),
  width: fc.integer({ min: 1, max: 4 }),
  upper: fc.boolean(),
  zone: fc.constantFrom('', '%eth0', '%1'),
})

function spelled(
  of: number[],
  { gap: [start, length], dotted, width, upper, zone }: typeof style extends fc.Arbitrary<infer S> ? S : never,
) {
  const [high = 0, low = 0] = of.slice(6)
  const end = dotted ? [[high >> 8, high & 255, low >> 8, low & 255].join('.')] : of.slice(6).map(hex)
  const parts = [...of.slice(0, 6).map(hex), ...end].map((part) => (part.includes('.') ? part : part.padStart(width, '0')))
  const until = Math.min(start + length, dotted ? 6 : 8)
  const leavesOut = start < until && of.slice(start, until).every((value) => value === 0)
  const text = leavesOut ? `${parts.slice(0, start).join(':')}::${parts.slice(until).join(':')}` : parts.join(':')
  return (upper ? text.toUpperCase() : text) + zone
}

test('no spelling of an IPv6 address changes who may dial it', () => {
  fc.assert(
    fc.property(groups, style, (of, how) => {
      const plain = of.map(hex).join(':')
      const spelling = spelled(of, how)
      expect([spelling, verdicts(spelling)]).toEqual([spelling, verdicts(plain)])
      expect(isPublicAddress(spelling)).toBe(isPublicAddress(plain))
    }),
    { numRuns: 500 },
  )
})
