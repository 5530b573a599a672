import { isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidData } from '../../src/errors.ts'
import { stringifyJson } from '../../src/lib/json-text.ts'
import { maxJsonDepth } from '../../src/model/json-value.ts'
import { decodePayload, encodePayload, encodingSchema } from '../../src/model/payload.ts'

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'binary' }).map((text) => Uint8Array.from(Buffer.from(text))),
  fc.json().map((text) => Uint8Array.from(Buffer.from(text))),
)

function isJson(data: Uint8Array): boolean {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data))
    return true
  } catch {
    return false
  }
}

test('any bytes come back from JSON, as text exactly when they are UTF-8', () => {
  fc.assert(
    fc.property(bytes, fc.constantFrom(undefined, ...encodingSchema.options), (data, asked) => {
      const { data: text, encoding } = encodePayload(data, asked)
      expect(Uint8Array.from(decodePayload(text, encoding))).toEqual(data)
      const unlikeAsked = isUtf8(data) ? 'utf8' : 'base64'
      expect(encoding).toBe(asked === 'base64' || (asked === 'json' && isJson(data)) ? asked : unlikeAsked)
    }),
  )
})

test('any JSON value comes back as an equal value, and as its compact text', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const bytes = decodePayload(value, 'json')
      expect(JSON.parse(stringifyJson(encodePayload(bytes, 'json')))).toEqual({
        data: JSON.parse(JSON.stringify(value)),
        encoding: 'json',
      })
      expect(encodePayload(bytes)).toEqual({ data: JSON.stringify(value), encoding: 'utf8' })
    }),
  )
})

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

test.each([
  ['a lone surrogate', '"\\ud800"'],
  ['a lone surrogate in a key', '{"\\udfff":1}'],
  ['a number beyond a double', '[1e999]'],
  ['one level too many', nested(maxJsonDepth + 1)],
  ['a hundred thousand levels', nested(100_000)],
  ['a hundred thousand levels of objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
])('neither takes nor gives %s as JSON, which common parsers refuse', (_, text) => {
  expect(() => decodePayload(JSON.parse(text), 'json')).toThrow(InvalidData)
  expect(encodePayload(Buffer.from(text), 'json')).toEqual({ data: text, encoding: 'utf8' })
})

test('takes and gives the deepest JSON as it is', () => {
  const text = nested(maxJsonDepth)
  expect(Buffer.from(decodePayload(JSON.parse(text), 'json')).toString()).toBe(text)
  expect(stringifyJson(encodePayload(Buffer.from(text), 'json'))).toBe(`{"data":${text},"encoding":"json"}`)
})

test.each([undefined, 1n, Uint8Array.of(1), [undefined], { a: 1n }, Symbol('no')])('refuses %s as JSON', (value) => {
  expect(() => decodePayload(value, 'json')).toThrow(InvalidData)
})

test.each(['', '\ufeff1', '{', 'NaN', "'a'", '01', '1 2'])('gives %j, which is not JSON, as text', (text) => {
  expect(encodePayload(Buffer.from(text), 'json')).toEqual({ data: text, encoding: 'utf8' })
})

test.each([7, null, ['a'], { a: 1 }])('takes %j only as JSON', (value) => {
  for (const encoding of [undefined, 'utf8', 'base64'] as const) expect(() => decodePayload(value, encoding)).toThrow(InvalidData)
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
