import { expect, test } from 'vitest'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import { createLinks } from '../../../../src/engine/custom/link/links.ts'

/** What the table looks at. */
function link(peerId: string, direction: 'inbound' | 'outbound', instance = 'first'): Link {
  return { peerId, direction, hello: { instance } } as Link
}

/** The two ends of one link, as each sees it. */
function ends(dialler: 'a' | 'b') {
  return {
    a: link('b', dialler === 'a' ? 'outbound' : 'inbound'),
    b: link('a', dialler === 'b' ? 'outbound' : 'inbound'),
  }
}

test('of two links that were dialled at the same time, both ends keep the same, whichever they see first', () => {
  const [byA, byB] = [ends('a'), ends('b')]
  for (const orderAtA of [
    [byA, byB],
    [byB, byA],
  ]) {
    for (const orderAtB of [
      [byA, byB],
      [byB, byA],
    ]) {
      const [atA, atB] = [createLinks({ peerId: 'a' }), createLinks({ peerId: 'b' })]
      for (const { a } of orderAtA) atA.add(a)
      for (const { b } of orderAtB) atB.add(b)
      expect([atA.get('b'), atB.get('a')]).toEqual([byA.a, byA.b])
      expect([atA.size, atB.size]).toEqual([1, 1])
    }
  }
})

test('a peer that was started anew replaces its old link, whoever had dialled', () => {
  const links = createLinks({ peerId: 'a' })
  const [before, after] = [link('b', 'outbound'), link('b', 'inbound', 'second')]
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
