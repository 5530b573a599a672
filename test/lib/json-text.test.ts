import fc from 'fast-check'
import { expect, test } from 'vitest'
import { JsonText, stringifyJson } from '../../src/lib/json-text.ts'

test('writes what JSON.stringify writes, with each text as it is in its place', () => {
  const written = fc.jsonValue().chain((value) => fc.constantFrom(undefined, ' ', '\t').map((space) => JSON.stringify(value, null, space)))
  fc.assert(
    fc.property(fc.array(written), fc.jsonValue(), (texts, other) => {
      const value = { other, items: texts.map((text) => ({ before: '"', data: new JsonText(text), after: other })) }
      const rest = JSON.stringify(other)
      const items = texts.map((text) => `{"before":"\\"","data":${text},"after":${rest}}`)
      expect(stringifyJson(value)).toBe(`{"other":${rest},"items":[${items.join(',')}]}`)
    }),
  )
})

test('a text that comes before a failure is not left for the next call', () => {
  const failing = {
    toJSON() {
      throw new Error('no JSON')
    },
  }
  expect(() => stringifyJson([new JsonText('1'), failing])).toThrow('no JSON')
  expect(stringifyJson([new JsonText('2')])).toBe('[2]')
})

test('is its value for a writer that does not know of it', () => {
  expect(JSON.stringify({ data: new JsonText('{ "a": 1.0 }') })).toBe('{"data":{"a":1}}')
})
