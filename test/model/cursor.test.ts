import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidCursor } from '../../src/errors.ts'
import { formatCursor, parseCursor } from '../../src/model/cursor.ts'

test('comes back as it was formatted', () => {
  const epoch = fc.string({ unit: fc.constantFrom(...'abcXYZ019'), minLength: 1, maxLength: 32 })
  fc.assert(
    fc.property(epoch, fc.nat({ max: 10 ** 15 - 1 }), (name, seq) => {
      expect(parseCursor(formatCursor(name, seq))).toEqual({ epoch: name, seq })
    }),
  )
})

test.each([
  '',
  '.',
  'a',
  'a.',
  '.1',
  'a.01',
  'a.-1',
  'a.+1',
  'a.1.0',
  'a.1.02',
  'a.1.2.3',
  'a.1.',
  'a.1 ',
  ' a.1',
  'a.1\n',
  'a.1e3',
  'a.0x1',
  'a.١',
  'a.1000000000000000',
  'a.99999999999999999999',
  'é.1',
  `${'a'.repeat(33)}.1`,
  'earliest',
])('refuses %j', (text) => {
  expect(() => parseCursor(text)).toThrow(InvalidCursor)
})

test('refuses every other text, and never reads one cursor two ways', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('a', '.', '0', '1', '-', ' ') }), (text) => {
      try {
        const { epoch, seq, pruneCount } = parseCursor(text)
        expect(formatCursor(epoch, seq, pruneCount)).toBe(text)
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidCursor)
      }
    }),
  )
})
