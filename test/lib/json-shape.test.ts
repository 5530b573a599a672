import { expect, test } from 'vitest'
import { jsonShape } from '../../src/lib/json-shape.ts'

/** What makes a text long enough to be looked at. */
const long = ' '.repeat(1_024)
const nested = (levels: number) => `${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`

test.each([
  ['200 levels', nested(200), false],
  ['more', nested(202), true],
  ['many levels that end before the next begin', `[${'[{}],'.repeat(1_000)}0]`, false],
  ['brackets in a string, behind escaped backslashes and quotes', JSON.stringify(`${'\\\\"['.repeat(1_000)}`), false],
  ['brackets in a string, behind an escaped quote too', JSON.stringify('"['.repeat(1_000)), false],
  ['brackets behind a string that ends with a backslash', `{"a\\\\":${'['.repeat(300)}`, true],
  ['a string that does not end', `"${'['.repeat(300)}`, false],
  ['more ends than beginnings', ']'.repeat(300), false],
])('of a JSON text with %s', (_, text, expected) => {
  expect(jsonShape(long + text).isTooDeep).toBe(expected)
})

test.each([
  ['members of all objects', '{"a":{"b":[{"c":1}]},"d":2}', 4],
  ['none of strings and names', '{"a:b":":","c\\":":":3}', 2],
  ['none of arrays', '[1,[2,"x"],{}]', 0],
])('a JSON text has %s', (_, text, members) => {
  expect(jsonShape(long + text)).toEqual({ isTooDeep: false, members })
})
