import { decode, encode } from 'cborg'
import { expect, test } from 'vitest'
import { decodeCbor } from '../../src/lib/cbor.ts'

test.each([
  ['an integer beyond the safe range', 2n ** 63n],
  ['bytes', new Uint8Array([1, 2, 3])],
  ['undefined', undefined],
  ['a map of arrays', { a: [1, 'x', null], b: -(2n ** 60n) }],
])('decodes %s as cborg does', (_, value) => {
  const bytes = Buffer.from(encode(value))
  expect(decodeCbor(bytes)).toStrictEqual(decode(bytes))
  expect(decodeCbor(bytes)).toStrictEqual(value)
})

test('gives bytes that are no Buffer', () => {
  expect(Buffer.isBuffer(decodeCbor(Buffer.from(encode(new Uint8Array(3)))))).toBe(false)
})

test('maxItems: more are refused', () => {
  const bytes = encode(Array.from({ length: 9 }, () => 0))
  expect(decodeCbor(bytes, { maxItems: 10 })).toHaveLength(9)
  expect(() => decodeCbor(bytes, { maxItems: 9 })).toThrow('too many CBOR items')
})
