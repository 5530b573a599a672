import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createDialPolicy } from '../../../src/engine/dial/policy.ts'
import { createAddressSources } from '../../../src/engine/dial/sources.ts'
import { policy, sources, toldBy, trusted } from '../../fixtures/dial-policy.ts'

/** Who told an address, and where the host and the teller are. */

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

test('an address of this host is dialled when this host has announced it by mDNS, not when another host has', () => {
  const own = ['192.168.1.7/24']
  const usual = policy(true, ...own)
  const judge = createDialPolicy({ dialPrivate: true, dialOwnHost: true }, { ownAddresses: () => own })
  for (const ip of ['127.0.0.1', '::1', '192.168.1.7', '::ffff:127.0.0.1']) {
    for (const here of own.map((cidr) => cidr.split('/')[0] ?? '').concat('127.0.0.1')) {
      expect(usual.refusal(ip, 'mdns', toldBy(here))).toBeUndefined()
    }
    expect(usual.refusal(ip, 'mdns', toldBy('192.168.1.20'))).toMatch(/another host/)
    expect(usual.refusal(ip, 'mdns')).toMatch(/another host/)
    expect(judge.refusal(ip, 'mdns', toldBy('192.168.1.20'))).toBeUndefined()
  }
  for (const ip of ['192.168.1.20', '10.0.0.1', '192.0.2.1']) expect(usual.refusal(ip, 'mdns', toldBy('192.168.1.20'))).toBeUndefined()
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
