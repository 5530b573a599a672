import { networkInterfaces } from 'node:os'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createDialPolicy, type DialPolicy, isPublicAddress } from '../../../src/engine/dial/policy.ts'
import { createAddressSources } from '../../../src/engine/dial/sources.ts'
import type { AddressSource } from '../../../src/model/peer.ts'

const sources: AddressSource[] = ['configured', 'rest', 'mdns', 'learnt']
const trusted = sources.filter((source) => source !== 'learnt')

/** A policy of a host that is in no network, or in those given. */
function policy(dialPrivate = true, ...own: string[]): DialPolicy {
  return createDialPolicy({ dialPrivate }, { ownAddresses: () => own })
}

/** On the word of a peer that is seen at an IP address. */
function toldBy(ip: string, isRelayed = false) {
  return { tellers: [{ ip, isRelayed }], isRemembered: false }
}

/** Who may dial an address: with private addresses allowed, and with public ones only. */
function whoMayDial(ip: string, ...own: string[]): { privateToo: AddressSource[]; publicOnly: AddressSource[] } {
  // Who tells an address is there too, unless a test is about that.
  const allowed = (dialPrivate: boolean) =>
    sources.filter((source) => policy(dialPrivate, ...own).refusal(ip, source, toldBy(ip)) === undefined)
  return { privateToo: allowed(true), publicOnly: allowed(false) }
}

test.each([
  ['this network', '0.0.0.0'],
  ['this network', '0.255.255.255'],
  ['link-local', '169.254.0.0'],
  ['link-local', '169.254.255.255'],
  ['multicast', '224.0.0.1'],
  ['multicast', '239.255.255.255'],
  ['reserved', '240.0.0.0'],
  ['broadcast', '255.255.255.255'],
  ['metadata of AWS, Azure, Google and others', '169.254.169.254'],
  ['credentials of AWS containers', '169.254.170.2'],
  ['metadata of Alibaba', '100.100.100.200'],
  ['services of Azure', '168.63.129.16'],
  ['metadata of Oracle', '192.0.0.192'],
  ['unspecified', '::'],
  ['link-local', 'fe80::1'],
  ['link-local', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['metadata of OpenStack', 'fe80::a9fe:a9fe'],
  ['site-local', 'fec0::1'],
  ['site-local', 'feff::1'],
  ['multicast', 'ff02::1'],
  ['multicast', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['metadata of AWS', 'fd00:ec2::254'],
  ['pod identity of AWS', 'fd00:ec2::23'],
  ['metadata of Google', 'fd20:ce::254'],
  ['metadata of Oracle', 'fd00:c1::a9fe:a9fe'],
  ['metadata of Scaleway', 'fd00:42::42'],
  ['metadata of Akamai', 'fd00:a9fe:a9fe::1'],
  ['metadata of Alibaba', 'fd00:100::100:200'],
  ['another spelling', 'FD00:0EC2:0000::0254'],
  ['another spelling', '0:0:0:0:0:0:0:0'],
  ['with a zone', 'fe80::1%eth0'],
  ['with a zone', 'fd00:ec2::254%2'],
  ['mapped', '::ffff:169.254.169.254'],
  ['mapped', '::FFFF:A9FE:A9FE'],
  ['mapped', '0:0:0:0:0:ffff:a9fe:a9fe'],
  ['mapped, with a zone', '::ffff:169.254.169.254%eth0'],
  ['mapped', '::ffff:0.0.0.0'],
  ['mapped', '::ffff:100.100.100.200'],
  ['translated', '::ffff:0:169.254.169.254'],
  ['compatible', '::169.254.169.254'],
  ['NAT64', '64:ff9b::169.254.169.254'],
  ['NAT64', '64:ff9b::a83f:8110'],
  ['local NAT64', '64:ff9b:1::169.254.169.254'],
  ['6to4', '2002:a9fe:a9fe::'],
  ['6to4', '2002:a83f:8110:1::1'],
])('nobody dials %s, %s', (_, ip) => {
  expect(whoMayDial(ip)).toEqual({ privateToo: [], publicOnly: [] })
  expect(isPublicAddress(ip)).toBe(false)
  expect(policy(true, `${ip.split('%')[0]}/8`, '0.0.0.0/0', '::/0').refusal(ip, 'learnt')).toBeDefined()
})

test.each([
  ['private', '10.0.0.0'],
  ['private', '10.255.255.255'],
  ['shared (CGNAT)', '100.64.0.1'],
  ['shared (CGNAT)', '100.127.255.255'],
  ['loopback', '127.0.0.1'],
  ['loopback', '127.255.255.255'],
  ['private', '172.16.0.1'],
  ['private', '172.31.255.255'],
  ['protocol assignments', '192.0.0.8'],
  ['documentation', '192.0.2.1'],
  ['6to4 relays', '192.88.99.1'],
  ['private', '192.168.0.1'],
  ['benchmarking', '198.19.255.255'],
  ['documentation', '198.51.100.1'],
  ['documentation', '203.0.113.1'],
  ['loopback', '::1'],
  ['given to nobody', '::2'],
  ['discard', '100::1'],
  ['Teredo', '2001::1'],
  ['benchmarking', '2001:2::1'],
  ['ORCHID', '2001:10::1'],
  ['ORCHIDv2', '2001:2f::1'],
  ['documentation', '2001:db8::1'],
  ['documentation', '3fff:fff::1'],
  ['given to nobody', '1fff::1'],
  ['given to nobody', '4000::1'],
  ['segment routing', '5f00::1'],
  ['unique local', 'fc00::1'],
  ['unique local', 'fdff:ffff::1'],
  ['loopback in another spelling', '0000:0000:0000:0000:0000:0000:0000:0001'],
  ['loopback in another spelling', '::0.0.0.1'],
  ['loopback with a zone', '::1%lo'],
  ['unique local with a zone', 'fd12:3456::1%eth0'],
  ['mapped loopback', '::ffff:127.0.0.1'],
  ['mapped loopback', '::ffff:7f00:1'],
  ['mapped loopback with a zone', '::ffff:127.0.0.1%lo'],
  ['mapped private', '::FFFF:10.0.0.1'],
  ['translated loopback', '::ffff:0:7f00:1'],
  ['compatible loopback', '::127.0.0.1'],
  ['compatible private', '::c0a8:1'],
  ['NAT64 loopback', '64:ff9b::127.0.0.1'],
  ['NAT64 private', '64:ff9b::a00:1'],
  ['local NAT64 private', '64:ff9b:1:2:3:4:10.0.0.1'],
  ['6to4 loopback', '2002:7f00:1::'],
  ['6to4 private', '2002:c0a8:101:5::9'],
])('only who is trusted dials %s, %s, and only when private addresses are allowed', (_, ip) => {
  expect(whoMayDial(ip)).toEqual({ privateToo: trusted, publicOnly: [] })
  expect(isPublicAddress(ip)).toBe(false)
})

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '223.255.255.255',
  '2606:4700:4700::1111',
  '2001:200::1',
  '2001:4860:4860::8888',
  '2620:4f:8000::1',
  '2A00:1450:4001:0:0:0:0:1',
  '3ffe:ffff::1',
  '2606:4700:4700::1111%eth0',
  '::ffff:8.8.8.8',
  '::ffff:0:808:808',
  '::8.8.8.8',
  '64:ff9b::8.8.8.8',
  '2002:808:808::1',
])('everybody dials %s', (ip) => {
  expect(whoMayDial(ip)).toEqual({ privateToo: sources, publicOnly: sources })
  expect(isPublicAddress(ip)).toBe(true)
})

// RFC 8215 §5: not global; and how long its prefix is, which says where the IPv4 address stands (RFC 6052 §2.2), only the network knows.
test.each([
  ['any address', '64:ff9b:1::8.8.8.8'],
  ['10.0.0.1 at a prefix of 48 bits', '64:ff9b:1:a00:0:100:808:808'],
  ['169.254.169.254 at a prefix of 48 bits', '64:ff9b:1:a9fe:a9:fe00:808:808'],
])('local NAT64 (RFC 8215) is not public: %s, %s', (_, ip) => {
  expect(isPublicAddress(ip)).toBe(false)
  expect(policy().refusal(ip, 'learnt')).toBeDefined()
})

test.each([
  '',
  ' 10.0.0.1',
  '127.1',
  '0x7f.1',
  '0177.0.0.1',
  '2130706433',
  '127.0.0.1.',
  '127.0.0.1:80',
  '10.0.0.1/8',
  '1.2.3.4%eth0',
  '[::1]',
  '::1%',
  '::ffff:127.1',
  '1::2::3',
  'localhost',
])('%j is no IP address and dialled by nobody', (text) => {
  expect(sources.map((source) => policy().refusal(text, source))).toEqual(sources.map(() => `"${text}" is not an IP address`))
  expect(isPublicAddress(text)).toBe(false)
})

test.each([
  ['192.168.7.5/24', '192.168.7.9', '192.168.8.9'],
  ['10.1.2.3/8', '::ffff:10.9.9.9', '192.168.7.9'],
  ['100.64.0.2/10', '100.127.0.1', '10.0.0.1'],
  ['fd12:3456::5/64', 'fd12:3456::9', 'fd12:3456:0:1::9'],
  ['2001:db8::5/32', '2001:DB8:ffff::1%eth0', '3fff::1'],
])('a host with %s dials %s when another peer told it, and not %s', (own, inside, outside) => {
  expect(whoMayDial(inside, own).privateToo).toEqual(sources)
  expect(whoMayDial(inside, own).publicOnly).toEqual([])
  expect(whoMayDial(outside, own).privateToo).toEqual(trusted)
})

test.each([
  ['192.168.7.5/24', '192.168.7.5'],
  ['192.168.7.5/24', '::ffff:192.168.7.5'],
  ['8.8.4.4/24', '8.8.4.4'],
  ['8.8.4.4/24', '64:ff9b::8.8.4.4'],
  ['fd12:3456::5/64', 'fd12:3456::5'],
  ['fd12:3456::5/64', 'FD12:3456:0:0:0:0:0:5%eth0'],
  ['2606:4700::7/64', '2606:4700::7'],
  ['127.0.0.1/8', '127.0.0.2'],
  ['::1/128', '::1'],
])('a host with %s does not dial itself at %s because another peer told it', (own, ip) => {
  expect(policy(true, own).refusal(ip, 'learnt')).toMatch(/is an address of this host/)
  expect(policy(true, own).refusal(ip, 'rest')).toBeUndefined()
})

test('no address of this very host is dialled because another peer told it', () => {
  const judge = createDialPolicy({ dialPrivate: true })
  const own = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address))
  expect(own.filter((ip) => judge.refusal(ip, 'learnt') === undefined)).toEqual([])
})

test('asks for the own networks at each judgement', () => {
  let own = ['192.168.7.5/24']
  const judge = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => own })
  expect(judge.refusal('192.168.7.9', 'learnt', toldBy('192.168.7.9'))).toBeUndefined()
  own = ['192.168.9.5/24']
  expect(judge.refusal('192.168.7.9', 'learnt')).toMatch(/outside the networks of this host/)
})

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

test('the most trusted source of an address counts, whoever told it first or last', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...sources), { maxLength: 6 }), (told) => {
      const judge = policy()
      for (const source of told) judge.note('/ip4/10.0.0.1/tcp/1', source)
      expect(judge.sourceOf('/ip4/10.0.0.1/tcp/1')).toBe(sources.find((source) => told.includes(source)) ?? 'learnt')
      expect(judge.sourceOf('/ip4/10.0.0.1/tcp/2')).toBe('learnt')
    }),
  )
})

test.each(trusted)('2,000 addresses of the source %s are remembered, and the oldest is forgotten first', (source) => {
  const memory = createAddressSources()
  for (let index = 0; index < 2_000; index++) memory.note(`address ${index}`, source)
  expect(memory.sourceOf('address 0')).toBe(source)
  memory.note('address 0', source)
  memory.note('one more', source)
  expect(['address 0', 'address 1', 'address 2', 'one more'].map((address) => memory.sourceOf(address))).toEqual([
    source,
    'learnt',
    source,
    source,
  ])
})

test.each(sources)('however many addresses the source %s tells, those of the others are remembered', (source) => {
  const memory = createAddressSources()
  const others = trusted.filter((other) => other !== source)
  for (const other of others) memory.note(`an address of ${other}`, other)
  for (let index = 0; index < 5_000; index++) memory.note(`address ${index}`, source)
  expect(others.map((other) => memory.sourceOf(`an address of ${other}`))).toEqual(others)
})

test('what peers tell of this host itself is dialled only where that was asked for, and nothing else changes', () => {
  const own = ['192.168.1.7/24']
  const judge = createDialPolicy({ dialPrivate: true, dialOwnHost: true }, { ownAddresses: () => own })
  const usual = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => own })
  for (const ip of ['127.0.0.1', '::1', '192.168.1.7', '::ffff:127.0.0.1']) {
    expect(judge.refusal(ip, 'learnt', toldBy('127.0.0.1'))).toBeUndefined()
    expect(usual.refusal(ip, 'learnt')).toMatch(/PEERGATE_DIAL=host/)
  }
  for (const ip of ['169.254.169.254', '0.0.0.0', '10.0.0.1', 'fe80::1']) expect(judge.refusal(ip, 'learnt')).toBeDefined()
})

describe('private addresses of a network that this host is in', () => {
  const own = ['192.168.1.7/24', '10.0.0.7/8', '8.8.4.4/24', 'fd12:3456::7/64']

  test.each([
    ['a peer in that network', '192.168.1.9', '192.168.1.20'],
    ['a peer in that network', 'fd12:3456::9', 'fd12:3456::20'],
    ['a peer in that network, in another spelling', '192.168.1.9', '::ffff:192.168.1.20'],
    ['a peer on this host', '192.168.1.9', '127.0.0.1'],
    ['a peer on this host', '10.9.9.9', '192.168.1.7'],
  ])('are dialled on the word of %s: %s by %s', (_, ip, teller) => {
    expect(policy(true, ...own).refusal(ip, 'learnt', toldBy(teller))).toBeUndefined()
  })

  test.each([
    ['a peer of the Internet', '192.168.1.9', '1.1.1.1'],
    ['a peer of the Internet beside this host', '192.168.1.9', '8.8.4.5'],
    ['a peer of another of its networks', '192.168.1.9', '10.0.0.9'],
    ['a peer of the other family', '192.168.1.9', 'fd12:3456::9'],
    ['nobody that could be seen', '192.168.1.9', ''],
    ['a name', '192.168.1.9', 'peer.example'],
  ])('are not dialled on the word of %s: %s by %s', (_, ip, teller) => {
    expect(policy(true, ...own).refusal(ip, 'learnt', toldBy(teller))).toMatch(/not told by a peer in its network/)
  })

  test('are not dialled on the word of a peer behind a relay, whose own address nobody sees', () => {
    expect(policy(true, ...own).refusal('192.168.1.9', 'learnt', toldBy('192.168.1.20', true))).toMatch(/not told by a peer in its network/)
  })

  test('are dialled when one of those that told them is there, or was before this node was started anew', () => {
    const judge = policy(true, ...own)
    const address = '/ip4/192.168.1.9/tcp/1'
    const refusal = () => judge.refusal('192.168.1.9', 'learnt', judge.tellersOf(address))
    expect(refusal()).toMatch(/not told by a peer in its network/)
    judge.told([`${address}/p2p/anybody`], { ip: '1.1.1.1', isRelayed: false })
    expect(refusal()).toMatch(/not told by a peer in its network/)
    judge.told([address], { ip: '192.168.1.20', isRelayed: false })
    expect(refusal()).toBeUndefined()
    const anew = policy(true, ...own)
    anew.remembered(address)
    expect(anew.refusal('192.168.1.9', 'learnt', anew.tellersOf(address))).toBeUndefined()
    expect(anew.refusal('127.0.0.1', 'learnt', anew.tellersOf(address))).toMatch(/an address of this host/)
  })

  test('are not shown or remembered of a peer whose business they are not', () => {
    const judge = policy(true, ...own)
    const stranger = { ip: '1.1.1.1', isRelayed: false }
    const tells = (address: string, teller = stranger) => judge.mayTell(`${address}/tcp/1`, teller)
    expect(tells('/ip4/192.168.1.9')).toBe(false)
    expect(tells('/ip4/127.0.0.1')).toBe(false)
    expect(tells('/ip6/::ffff:192.168.1.9')).toBe(false)
    expect(tells('/ip4/192.168.1.9', { ip: '192.168.1.20', isRelayed: false })).toBe(true)
    const relayed = { ip: '192.168.1.20', isRelayed: true }
    expect(judge.mayTell('/ip4/192.168.1.20/tcp/1/ws/p2p/relay/p2p-circuit/p2p/peer', relayed)).toBe(true)
    expect(judge.mayTell('/ip4/192.168.1.9/tcp/1/ws/p2p/relay/p2p-circuit/p2p/peer', relayed)).toBe(false)
    expect(judge.mayTell('/ip4/192.168.1.20/tcp/1', relayed)).toBe(false)
    // Nobody dials these on its word.
    expect(tells('/ip4/192.168.9.9')).toBe(true)
    expect(tells('/ip4/8.8.8.8')).toBe(true)
    expect(tells('/dns4/peer.example')).toBe(true)
  })

  test('however much one peer tells, what others told counts', () => {
    const judge = policy(true, ...own)
    judge.told(['/ip4/192.168.1.9/tcp/1'], { ip: '192.168.1.20', isRelayed: false })
    for (let port = 1; port < 5_000; port++) judge.told([`/ip4/192.168.1.9/tcp/${port}`], { ip: '1.1.1.1', isRelayed: false })
    expect(judge.tellersOf('/ip4/192.168.1.9/tcp/1').tellers).toEqual([{ ip: '192.168.1.20', isRelayed: false }])
    expect(judge.tellersOf('/ip4/192.168.1.9/tcp/4999').tellers).toHaveLength(1)
  })
})
