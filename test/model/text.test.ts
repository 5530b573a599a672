import fc from 'fast-check'
import { expect, test } from 'vitest'
import { firstCharacters, foreignText, isLonger, nameSchema, textProblem } from '../../src/model/text.ts'

test.each([
  ['x\u0000y', 'x\ufffdy'],
  ['a\u001bb\u007fc\u0085d\n', 'a\ufffdb\ufffdc\ufffdd\ufffd'],
  ['\ud800 half', '\ufffd half'],
  ['kubo/0.43 ✓', 'kubo/0.43 ✓'],
  ['12345678901😀', '12345678901\ufffd'],
  ['x'.repeat(1_000_000), 'xxxxxxxxxxxx'],
])('text of others is replaced where it does not fit: %j', (text, kept) => {
  expect(foreignText(text, 12)).toBe(kept)
  expect(textProblem(kept)).toBeUndefined()
})

test.each(['x\u0000y', 'a\nb', '\ud800', '\udc00x', 'x'.repeat(11)])('a name of a client is refused where it does not fit: %j', (text) => {
  expect(nameSchema(10).safeParse(text).success).toBe(false)
})

test('a name has as many characters as the contract allows, whatever units they have', () => {
  const schema = nameSchema(10)
  expect(schema.parse('😀'.repeat(10))).toBe('😀'.repeat(10))
  expect(schema.safeParse('😀'.repeat(11)).error?.issues).toMatchObject([{ message: 'must have at most 10 characters' }])
})

test('characters are counted as JSON Schema counts them', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 30 }), fc.nat({ max: 30 }), (text, max) => {
      expect(isLonger(text, max)).toBe([...text].length > max)
      expect(firstCharacters(text, max)).toBe([...text].slice(0, max).join(''))
    }),
  )
})
