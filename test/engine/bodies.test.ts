import { expect, test } from 'vitest'
import { createBodies } from '../../src/engine/bodies.ts'
import { createRequestPlaces } from '../../src/engine/request-places.ts'

/** Of a body that was only announced. */
const entry = 1_024
const limits = { maxPeerBodyBytes: 4_194_304, maxMessageBytes: 1_000 }
const quarter = limits.maxPeerBodyBytes / 4

const never = () => {
  throw new Error('this body did not have to give way')
}

test('maxPeerBodyBytes: bodies are counted as they come, and given back once', () => {
  const bodies = createBodies({ limits })
  const body = bodies.begin('a', never)
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
  bodies.begin('other', never)
  const body = bodies.begin('a', never)
  expect(body?.add(quarter)).toBe(false)
  expect(body?.add(quarter - entry)).toBe(true)
  expect(bodies.begin('a', never)).toBeUndefined()
})

test('when all is taken, the peer with the most gives up its oldest body, and only for one that has less', () => {
  const bodies = createBodies({ limits })
  const gone: string[] = []
  const hold = (peerId: string, name: string, bytes: number) => {
    const body = bodies.begin(peerId, () => gone.push(name))
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
  bodies.begin('other', never)
  expect(bodies.begin('a', never)?.add(1_001_000)).toBe(true)
})

test('maxConcurrent: a peer alone has as many, then each a quarter of a third more, and the last quarter is for peers that have none', () => {
  const places = createRequestPlaces({ maxConcurrent: 12, maxRequestBytes: 10 })
  const take = (from: string, count: number) =>
    Array.from({ length: count }, () => places.take(from, 1)).filter((place) => place !== undefined)
  const alone = take('a', 20)
  expect(alone.length).toBe(12)
  for (const place of alone) place[Symbol.dispose]()
  const [first, second, third, late] = ['b', 'c', 'd', 'e'].map((from) => take(from, 20).length)
  expect([first, second]).toEqual([12, 1])
  expect([third, late]).toEqual([1, 1])
})

test('maxConcurrentBytes: a peer has a quarter of the bytes while others have any, unless a body would not fit in it', () => {
  const shared = createRequestPlaces({ maxConcurrent: 100, maxConcurrentBytes: 3_000, maxRequestBytes: 1_000 })
  expect(shared.take('a', 1_000)).toBeDefined()
  expect(shared.take('b', 1_000)).toBeDefined()
  expect(shared.take('b', 1)).toBeUndefined()
  expect(shared.take('c', 1_000)).toBeDefined()
  const narrow = createRequestPlaces({ maxConcurrent: 100, maxConcurrentBytes: 1_500, maxRequestBytes: 1_000 })
  expect(narrow.take('a', 1_000)).toBeDefined()
  expect(narrow.take('b', 1_000)).toBeDefined()
  expect(narrow.take('c', 1)).toBeUndefined()
})
