import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isJsonText } from '../../src/model/json-scan.ts'
import { jsonProblem, maxJsonDepth, maxJsonKeyLength, maxJsonNumberLength } from '../../src/model/json-value.ts'

function parses(text: string): boolean {
  try {
    return jsonProblem(JSON.parse(text)) === undefined
  } catch {
    return false
  }
}

const spaced = fc.tuple(fc.jsonValue(), fc.constantFrom('', ' ', '\t', '\r\n ')).map(([value, space]) => JSON.stringify(value, null, space))
const piece = fc.constantFrom(
  ...'[]{},:"\\ \n\t/u0123d8eE+-.é',
  ...[
    '"a"',
    '"a":',
    '\\ud83d\\ude00',
    '\\ud83d',
    '\\udE00',
    '\\uD83D',
    '\\n',
    '\\x',
    '\u0000',
    '\u00a0',
    'true',
    'fals',
    'null',
    '1e308',
    '1e309',
  ],
)
const cut = fc
  .tuple(spaced, fc.nat(), fc.nat(2), piece)
  .map(([text, at, removed, added]) => text.slice(0, at % (text.length + 1)) + added + text.slice((at % (text.length + 1)) + removed))

test('finds the JSON that JSON.parse takes, but for what common parsers refuse', () => {
  const texts = fc.oneof(spaced, cut, fc.string({ unit: piece }), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(texts, (text) => {
      fc.pre(text.isWellFormed())
      expect(isJsonText(text)).toBe(parses(text))
    }),
    { numRuns: 1_000 },
  )
})

test.each([
  ...['', ' ', '[', ']', '{', '}', '[1,]', '[,1]', '{,}', '{"a"}', '{"a":}', '{"a":1,}', '{1:1}', '[1}', '{"a":1]', '1 1', '[1 1]'],
  ...[
    '01',
    '-',
    '1.',
    '.1',
    '1e',
    '+1',
    '0x1',
    'NaN',
    'True',
    'nul',
    'truefalse',
    '"',
    '"\\"',
    '"\\x"',
    '"\\u12"',
    '"\\N"',
    '"\\U0041"',
    '"\n"',
    "'a'",
    '\ufeff1',
    '1\u00a0',
  ],
])('%j is not JSON', (text) => {
  expect([isJsonText(text), parses(text)]).toEqual([false, false])
})

test.each([
  ...[
    '0',
    '-0',
    '1E+2',
    '-1.50e-3',
    ' \t\r\n"a"\n',
    '[]',
    '{}',
    '[ ]',
    '{ }',
    '[[],{}]',
    '{"a":{"a":[]},"a":null}',
    '"\\u0000\\/\\uD83d\\uDe00"',
    '"\u007f\u2028😀"',
  ],
])('%j is JSON', (text) => {
  expect([isJsonText(text), parses(text)]).toEqual([true, true])
})

test.each(['1e309', '[-1e999]', '"\\ud800"', '"\\udc00\\ud800"', '["\\ud83dx"]', '{"\\udfff":1}'])(
  '%j is JSON that common parsers refuse',
  (text) => {
    expect(() => JSON.parse(text)).not.toThrow()
    expect(isJsonText(text)).toBe(false)
  },
)

test('has a maximum depth, of arrays and objects together', () => {
  const nested = (depth: number) => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`
  expect([maxJsonDepth, maxJsonDepth + 2].map((depth) => isJsonText(nested(depth)))).toEqual([true, false])
})

test('has numbers and keys of a bounded length', () => {
  const [one, key] = [`0.${'1'.repeat(maxJsonNumberLength - 2)}`, 'k'.repeat(maxJsonKeyLength)]
  expect([one, `${one}1`].map(isJsonText)).toEqual([true, false])
  expect([`{"${key}":1}`, `{"${key}k":1}`].map(isJsonText)).toEqual([true, false])
  expect([{ [key]: 1 }, { [`${key}k`]: 1 }].map((value) => jsonProblem(value) === undefined)).toEqual([true, false])
})
