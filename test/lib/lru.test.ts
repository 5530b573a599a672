import { expect, test } from 'vitest'
import { createLru } from '../../src/lib/lru.ts'

test('a value is made once for a key, and the least recently used one is forgotten beyond the maximum', () => {
  let made = 0
  const of = createLru({ max: 2 }, () => ++made)
  expect(['a', 'b', 'a', 'c', 'a'].map(of)).toEqual([1, 2, 1, 3, 1])
  expect(of('b')).toBe(4)
})
