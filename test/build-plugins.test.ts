import { expect, test } from 'vitest'
import { replaced } from '../scripts/build-plugins.ts'

/** What the build changes in packages means the same to those who use them. */

test('a package that no longer has what the build replaces fails it', () => {
  expect(replaced('a b a', /a/g, '$&')).toBe('$& b $&')
  expect(() => replaced('b', /a/g, 'c')).toThrow('/a/g')
})
