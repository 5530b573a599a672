import { expect, test } from 'vitest'
import { type Asker, askerOf } from '../../src/engine/asker.ts'
import { createBodies } from '../../src/engine/bodies.ts'
import { createRequestSemaphore } from '../../src/engine/request-semaphore.ts'

/** Of a body that was only announced. */
const entry = 1_024
const limits = { maxPeerBodyBytes: 4_194_304, maxMessageBytes: 1_000 }
const quarter = limits.maxPeerBodyBytes / 4

/** Peers of one address. */
const here = (peerId: string): Asker => ({ peerId, host: 'here' })
/** A peer that has an address of its own. */
const apart = (peerId: string): Asker => ({ peerId, host: peerId })

const never = () => {
  throw new Error('this body did not have to give way')
}

test('maxPeerBodyBytes: bodies are counted as they come, and given back once', () => {
  const bodies = createBodies({ limits })
  const body = bodies.begin(here('a'), never)
  expect(bodies.bytes).toBe(entry)
  expect(body?.add(1_000)).toBe(true)
  expect(bodies.bytes).toBe(entry + 1_000)
  body?.[Symbol.dispose]()
  body?.[Symbol.dispose]()
  expect(bodies.bytes).toBe(0)
  expect(body?.add(1)).toBe(false)
})

test('a peer has a quarter of them while others have any, and announces no more beyond it', () => {
  const bodies = createBodies({ limits })
  bodies.begin(here('other'), never)
  const body = bodies.begin(here('a'), never)
  expect(body?.add(quarter)).toBe(false)
  expect(body?.add(quarter - entry)).toBe(true)
  expect(bodies.begin(here('a'), never)).toBeUndefined()
})

test('when all is taken, the peer with the most gives up its oldest body, and only for one that has less', () => {
  const bodies = createBodies({ limits })
  const gone: string[] = []
  const hold = (peerId: string, name: string, bytes: number) => {
    const body = bodies.begin(apart(peerId), () => gone.push(name))
    return body?.add(bytes - entry) === true ? body : undefined
  }
  hold('z', 'z1', entry)
  hold('a', 'a1', quarter / 2)
  hold('a', 'a2', quarter / 2)
  hold('b', 'b1', quarter - 10_000)
  hold('c', 'c1', quarter - 10_000)
  hold('d', 'd1', quarter - 10_000)
  expect(gone).toEqual([])
  expect(hold('new', 'n1', 100_000)).toBeDefined()
  expect(gone).toEqual(['a1'])
  // It would have more than anybody.
  expect(hold('b', 'b2', quarter)).toBeUndefined()
  expect(gone).toEqual(['a1'])
  expect(bodies.bytes).toBeLessThanOrEqual(limits.maxPeerBodyBytes)
})

test('the largest body fits, however small the room was made', () => {
  const bodies = createBodies({ limits: { maxPeerBodyBytes: 1_000, maxMessageBytes: 1_000_000 } })
  bodies.begin(here('other'), never)
  expect(bodies.begin(here('a'), never)?.add(1_001_000)).toBe(true)
})

test('maxConcurrent: a peer alone has as many, then each a quarter of a third more, and the last quarter is for peers that have none', () => {
  const places = createRequestSemaphore({ maxConcurrent: 12, maxRequestBytes: 10 })
  const take = (from: string, count: number) =>
    Array.from({ length: count }, () => places.take(here(from), 1)).filter((place) => place !== undefined)
  const alone = take('a', 20)
  expect(alone.length).toBe(12)
  for (const place of alone) place[Symbol.dispose]()
  const [first, second, third, late] = ['b', 'c', 'd', 'e'].map((from) => take(from, 20).length)
  expect([first, second]).toEqual([12, 1])
  expect([third, late]).toEqual([1, 1])
})

test('maxConcurrentBytes: a peer has a quarter of the bytes while others have any, unless a body would not fit in it', () => {
  const shared = createRequestSemaphore({ maxConcurrent: 100, maxConcurrentBytes: 3_000, maxRequestBytes: 1_000 })
  expect(shared.take(here('a'), 1_000)).toBeDefined()
  expect(shared.take(here('b'), 1_000)).toBeDefined()
  expect(shared.take(here('b'), 1)).toBeUndefined()
  expect(shared.take(here('c'), 1_000)).toBeDefined()
  const narrow = createRequestSemaphore({ maxConcurrent: 100, maxConcurrentBytes: 1_500, maxRequestBytes: 1_000 })
  expect(narrow.take(here('a'), 1_000)).toBeDefined()
  expect(narrow.take(here('b'), 1_000)).toBeDefined()
  expect(narrow.take(here('c'), 1)).toBeUndefined()
})

test('the peers of one address, however many, leave a quarter of the places to another, and have one while it has any', () => {
  let refused = 0
  const places = createRequestSemaphore({ maxConcurrent: 12, maxRequestBytes: 10 }, { onRefused: () => refused++ })
  const flood = (prefix: string) => Array.from({ length: 100 }, (_, index) => places.take(here(`${prefix}${index}`), 1))
  const crowd = flood('id').filter((place) => place !== undefined)
  expect([crowd.length, refused]).toEqual([16, 84])
  const honest = Array.from({ length: 6 }, () => places.take(apart('honest'), 1)).filter((place) => place !== undefined)
  expect(honest.length).toBe(1)
  for (const place of crowd) place[Symbol.dispose]()
  expect(flood('new').filter((place) => place !== undefined).length).toBe(5)
  expect(places.take(apart('other'), 1)).toBeDefined()
})

test('the peers of one address have a quarter of the bytes of a handler while another has any', () => {
  const places = createRequestSemaphore({ maxConcurrent: 100, maxConcurrentBytes: 3_000, maxRequestBytes: 1_000 })
  expect(places.take(apart('other'), 1)).toBeDefined()
  expect(places.take(here('a'), 1_000)).toBeDefined()
  expect(places.take(here('b'), 333)).toBeDefined()
  expect(places.take(here('c'), 1)).toBeUndefined()
  expect(places.take(apart('third'), 1_000)).toBeDefined()
})

test('bodies of one address, from however many peers, have a quarter while another has any, and give way among themselves', () => {
  let counted = 0
  const bodies = createBodies({ limits }, { onGivenUp: () => counted++ })
  const gone: string[] = []
  bodies.begin(apart('honest'), never)
  for (let index = 0; index < 50; index++) bodies.begin(here(`id${index}`), () => gone.push(`id${index}`))?.add(quarter / 16 - entry)
  expect(bodies.bytes).toBeLessThanOrEqual(entry + quarter)
  expect(gone.length).toBeGreaterThan(0)
  expect(counted).toBe(gone.length)
  expect(bodies.begin(apart('third'), never)?.add(quarter - entry)).toBe(true)
})

test('peers of one address that are there first give way to another address at once', () => {
  const bodies = createBodies({ limits })
  for (let index = 0; index < 100; index++) bodies.begin(here(`id${index}`), () => undefined)?.add(quarter / 16 - entry)
  expect(bodies.bytes).toBeLessThanOrEqual(3 * quarter)
  expect(bodies.begin(apart('honest'), never)?.add(quarter - entry)).toBe(true)
  expect(bodies.begin(apart('another'), never)?.add(quarter - entry)).toBe(true)
})

test('peers count by their address, of IPv6 by its /64, those behind a relay by the relay, and a configured one by itself', () => {
  const hostOf = (ip: string, about = {}) => askerOf('id', { ip, isRelayed: false, ...about }, { isConfigured: false, ...about }).host
  expect(hostOf('2001:db8:1:2::5')).toBe(hostOf('2001:db8:1:2:9::7'))
  expect(hostOf('2001:db8:1:2::5')).not.toBe(hostOf('2001:db8:1:3::5'))
  expect(hostOf('::ffff:8.8.4.7')).toBe(hostOf('8.8.4.7'))
  expect(hostOf('127.0.0.2')).not.toBe(hostOf('127.0.0.3'))
  expect(hostOf('8.8.4.7', { isRelayed: true })).not.toBe(hostOf('8.8.4.7'))
  expect(hostOf('8.8.4.7', { isConfigured: true })).toBe(hostOf('8.8.8.8', { isConfigured: true }))
})
