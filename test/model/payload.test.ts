import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidData } from '../../src/errors.ts'
import { decodePayload, encodePayload } from '../../src/model/payload.ts'

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'binary' }).map((text) => Uint8Array.from(Buffer.from(text))),
)

test('any bytes come back from JSON, as text exactly when they are UTF-8', () => {
  fc.assert(
    fc.property(bytes, fc.constantFrom(undefined, 'utf8' as const, 'base64' as const), (data, asked) => {
      const { data: text, encoding } = JSON.parse(JSON.stringify(encodePayload(data, asked)))
      expect(Uint8Array.from(decodePayload(text, encoding))).toEqual(data)
      expect(encoding).toBe(asked !== 'base64' && isUtf8(data) ? 'utf8' : 'base64')
    }),
  )
})

test('keeps a byte-order mark and a NUL', () => {
  const data = Buffer.from('\ufeffa\u0000')
  expect(encodePayload(data)).toEqual({ data: '\ufeffa\u0000', encoding: 'utf8' })
  expect(decodePayload('\ufeffa\u0000')).toEqual(data)
})

test('reads a view of a larger buffer only', () => {
  expect(encodePayload(new Uint8Array(Buffer.from('xxabxx').buffer.slice(0)).subarray(0, 0))).toEqual({ data: '', encoding: 'utf8' })
  expect(encodePayload(Uint8Array.from(Buffer.from('xxabxx')).subarray(2, 4))).toEqual({ data: 'ab', encoding: 'utf8' })
})

test('refuses any text with a lone surrogate', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.constantFrom('\ud800', '\udbff', '\udc00'),
      fc.string({ unit: 'grapheme-ascii' }),
      (before, lone, after) => {
        expect(() => decodePayload(before + lone + after)).toThrow(InvalidData)
      },
    ),
  )
})

test.each(['a', 'YQ', 'YQ=', 'YR==', 'YWJ=', 'YQ===', '=', '====', 'YQ==YQ==', 'Y Q=', 'YQ==\n', ' YQ==', '-_8=', 'YQ\u0000=', 'é'])(
  'refuses %j as base64',
  (text) => {
    expect(() => decodePayload(text, 'base64')).toThrow(InvalidData)
  },
)

test('reads as base64 exactly what it would itself write', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('A', 'Q', 'w', '/', '+', '=', '-', ' ') }), (text) => {
      const valid = Buffer.from(text, 'base64').toString('base64') === text
      if (valid) expect(encodePayload(decodePayload(text, 'base64'), 'base64').data).toBe(text)
      else expect(() => decodePayload(text, 'base64')).toThrow(InvalidData)
    }),
  )
})

test('names the field', () => {
  expect(() => decodePayload('\ud800')).toThrow(expect.objectContaining({ errors: [{ path: '/data', message: expect.any(String) }] }))
})
