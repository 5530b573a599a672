import { expect, test } from 'vitest'
import { createInstances } from '../../../src/engine/custom/link/instances.ts'
import type { Link } from '../../../src/engine/custom/link/link.ts'
import { createRefusals } from '../../../src/engine/custom/refusals.ts'
import { createIdentityConflicts } from '../../../src/engine/identity-conflicts.ts'
import { createLimitsReached } from '../../../src/engine/limits-reached.ts'
import { silentLog } from '../../fixtures/log.ts'

type Components = Parameters<typeof createRefusals>[1]

interface LinkOptions extends Partial<Pick<Link, 'direction' | 'isRelayed'>> {
  seenAt?: string
  instance?: string
  multiaddrs?: string[]
}

function link(peerId: string, options: LinkOptions = {}): Link {
  const { seenAt = '192.0.2.1', direction = 'inbound', isRelayed = false, instance = 'first', multiaddrs = [] } = options
  const hello: Partial<Link['hello']> = { instance, multiaddrs }
  const known: Partial<Link> = {
    peerId,
    seenAt,
    direction,
    isRelayed,
    remote: `/remote/${peerId}/${instance}`,
    hello: hello as Link['hello'],
  }
  return known as Link
}

/** The refusals of a node that may have eight links and has these. */
function refusalsBeside(there: Link[], { isConfigured = false, blocked = '' } = {}) {
  const links: Partial<Components['links']> = {
    all: there,
    size: there.length,
    get: (peerId) => there.find((each) => each.peerId === peerId),
  }
  const instances = createInstances()
  const conflicts = createIdentityConflicts({ peerId: 'self' }, { logger: silentLog })
  const components: Components = {
    links: links as Components['links'],
    instances,
    conflicts,
    instance: () => 'own',
    isConfigured: () => isConfigured,
    isBlocked: (peerId) => peerId === blocked,
    reached: createLimitsReached(),
    logger: silentLog,
  }
  return { refusals: createRefusals({ peerId: 'self', maxConnections: 8 }, components), instances, conflicts }
}

/** Whether a peer that comes from an address is refused beside links. */
function isRefused(seenAt: string, there: Link[], options: { isConfigured?: boolean } = {}): boolean {
  const refusal = refusalsBeside(there, options).refusals.ofCrowd(link('newcomer', { seenAt }))
  if (refusal !== undefined) expect(refusal.goodbye).toMatchObject({ reason: 'full' })
  return refusal !== undefined
}

test.each([
  ['of IPv4', '192.0.2.1', ['192.0.2.1', '192.0.2.1'], true],
  ['of one IPv6 /64', '2001:db8::1', ['2001:db8::2', '2001:db8::3:4'], true],
  ['of another IPv6 /64', '2001:db8:0:1::1', ['2001:db8::2', '2001:db8::3'], false],
  ['of this host', '127.0.0.1', ['127.0.0.1', '127.0.0.1'], false],
] as const)('peers %s have a quarter of the links while others have any', (_name, seenAt, held, expected) => {
  const elsewhere = link('elsewhere', { seenAt: '198.51.100.1' })
  const crowd = held.map((each, index) => link(`crowd ${index}`, { seenAt: each }))
  expect(isRefused(seenAt, [elsewhere, ...crowd])).toBe(expected)
  expect(isRefused(seenAt, [elsewhere, ...crowd], { isConfigured: true })).toBe(false)
  expect(isRefused(seenAt, crowd)).toBe(false)
  expect(isRefused(seenAt, [elsewhere, ...held.map((each) => link(`dialled ${each}`, { seenAt: each, direction: 'outbound' }))])).toBe(
    false,
  )
})

test('a link that this node made counts against nobody', () => {
  const there = [link('elsewhere', { seenAt: '198.51.100.1' }), ...['a', 'b'].map((each) => link(each))]
  expect(refusalsBeside(there).refusals.ofCrowd(link('newcomer'))).toBeDefined()
  expect(refusalsBeside(there).refusals.ofCrowd(link('newcomer', { direction: 'outbound' }))).toBeUndefined()
})

const eight = Array.from({ length: 8 }, (_, index) => link(`peer ${index}`, { multiaddrs: [`/address/${index}`] }))

test('a full node has room for peers that are linked or configured, and a blocked peer gets none on any', () => {
  expect(refusalsBeside(eight.slice(1)).refusals.of('newcomer')).toBeUndefined()
  const { refusals } = refusalsBeside(eight)
  expect(refusals.of('newcomer')?.goodbye).toMatchObject({ reason: 'full', retryAfterMs: 30_000 })
  expect(refusals.of('peer 3')).toBeUndefined()
  expect(refusalsBeside(eight, { isConfigured: true }).refusals.of('newcomer')).toBeUndefined()
  expect(refusalsBeside([], { blocked: 'enemy' }).refusals.of('enemy')?.goodbye).toEqual({ reason: 'refused', retryAfterMs: 10_000 })
})

test('who finds no room is told of others that can be dialled, and of few of their addresses', () => {
  const many = Array.from({ length: 20 }, (_, index) => `/${index}`)
  const dialable = link('dialable', { multiaddrs: [...many, 'x'.repeat(257)] })
  const long = link('long', { multiaddrs: ['x'.repeat(257), '/short'] })
  const others = [
    dialable,
    long,
    link('silent'),
    link('relayed', { isRelayed: true, multiaddrs: ['/r'] }),
    link('gone', { multiaddrs: ['/g'] }),
  ]
  const { peers = [] } = refusalsBeside(others).refusals.full('gone')
  expect(peers.toSorted((one, other) => one.peerId.localeCompare(other.peerId))).toEqual([
    { peerId: 'dialable', multiaddrs: many.slice(0, 8) },
    { peerId: 'long', multiaddrs: ['/short'] },
  ])
})

test('of two nodes with one key the linked one stays: an instance that was replaced and comes back has run all along', () => {
  const there = link('peer', { instance: 'second' })
  const { refusals, instances, conflicts } = refusalsBeside([there])
  expect(refusals.ofDuplicate(link('peer', { instance: 'first' }))).toBeUndefined()
  instances.replaced('peer', 'first')
  instances.replaced('peer', 'second')
  expect(refusals.ofDuplicate(link('peer', { instance: 'second' }))).toBeUndefined()
  expect(conflicts.all).toEqual([])
  expect(refusals.ofDuplicate(link('peer', { instance: 'first' }))?.goodbye).toEqual({ reason: 'duplicate', retryAfterMs: 30_000 })
  expect(conflicts.all).toMatchObject([{ peerId: 'peer', multiaddrs: ['/remote/peer/second', '/remote/peer/first'], toldBy: null }])
  // It dials again, from another port.
  refusals.ofDuplicate({ ...link('peer', { instance: 'first' }), remote: '/remote/again' })
  expect(conflicts.all).toMatchObject([{ peerId: 'peer', multiaddrs: ['/remote/peer/second', '/remote/again'] }])
})

test('a node with the key of this one is no peer, and this one itself is no conflict', () => {
  const { refusals, conflicts } = refusalsBeside([])
  expect(refusals.ofDuplicate(link('self', { instance: 'own' }))).toBeUndefined()
  expect(refusals.ofDuplicate(link('self', { instance: 'another' }))?.goodbye).toMatchObject({ reason: 'duplicate' })
  expect(conflicts.all).toMatchObject([{ peerId: 'self' }])
})
