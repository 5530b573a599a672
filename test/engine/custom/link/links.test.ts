import { expect, test } from 'vitest'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import { createLinks } from '../../../../src/engine/custom/link/links.ts'

/** What the table looks at. */
function link(peerId: string, direction: 'inbound' | 'outbound', { instance = 'first', dial = 1 } = {}): Link {
  return { peerId, direction, dial, hello: { instance }, path: { since: 1 } } as Link
}

/** The two ends of one link, as each sees it. */
function ends(dialler: 'a' | 'b', dial = 1) {
  return {
    a: link('b', dialler === 'a' ? 'outbound' : 'inbound', { dial }),
    b: link('a', dialler === 'b' ? 'outbound' : 'inbound', { dial }),
  }
}

test.each([
  ['by both ends', ends('a'), ends('b')],
  ['by the end with the smaller id', ends('a', 2), ends('a', 1)],
  ['by the end with the larger id', ends('b', 2), ends('b', 1)],
])('of two links that were dialled at the same time %s, both ends keep the same, whichever they see first', (_, kept, other) => {
  const orders = [
    [kept, other],
    [other, kept],
  ]
  for (const orderAtA of orders) {
    for (const orderAtB of orders) {
      const [atA, atB] = [createLinks({ peerId: 'a' }), createLinks({ peerId: 'b' })]
      for (const { a } of orderAtA) atA.add(a)
      for (const { b } of orderAtB) atB.add(b)
      expect(atA.get('b')).toBe(kept.a)
      expect(atB.get('a')).toBe(kept.b)
      expect([atA.size, atB.size]).toEqual([1, 1])
    }
  }
})

test('of two links whose dialler does not say which is newer, the one that came later is kept', () => {
  const links = createLinks({ peerId: 'a' })
  const [before, after] = [link('b', 'inbound', { dial: 0 }), link('b', 'inbound', { dial: 0 })]
  links.add(before)
  expect(links.add(after)).toEqual({ kept: after, replaced: before })
})

test('a peer that was started anew replaces its old link, whoever had dialled', () => {
  const links = createLinks({ peerId: 'a' })
  const [before, after] = [link('b', 'outbound'), link('b', 'inbound', { instance: 'second' })]
  links.add(before)
  expect(links.add(after)).toEqual({ kept: after, replaced: before })
  expect(links.get('b')).toBe(after)
})

test('only the link that counts can be removed', () => {
  const links = createLinks({ peerId: 'a' })
  const [kept, other] = [link('b', 'outbound'), link('b', 'inbound')]
  links.add(kept)
  expect(links.add(other)).toEqual({ kept })
  expect(links.remove(other)).toBe(false)
  expect(links.size).toBe(1)
  expect(links.remove(kept)).toBe(true)
  expect(links.size).toBe(0)
})

test('a change is told on all links, and on those that are being made once they count', () => {
  const told: string[] = []
  const links = createLinks({ peerId: 'a' })
  const telling = (peerId: string, since: number) =>
    ({ ...link(peerId, 'inbound'), path: { since }, update: () => void told.push(peerId) }) as Link
  links.add(telling('before', 1))
  links.update()
  expect(told).toEqual(['before'])
  links.add(telling('meanwhile', 1))
  links.add(telling('after', Number.MAX_SAFE_INTEGER))
  expect(told).toEqual(['before', 'meanwhile'])
})
