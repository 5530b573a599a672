import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  directTopic,
  matchesTopic,
  maxTopicBytes,
  topicFilter,
  topicPatternSchema,
  topicProblem,
  topicSchema,
} from '../../src/model/topic.ts'

test.each(['a', 'orders/new', ' ', '...', 'x'.repeat(256), '話'.repeat(85), '\u{1f600}'])('%j is a topic', (topic) => {
  expect(topicProblem(topic)).toBeUndefined()
  expect(topicSchema.parse(topic)).toBe(topic)
})

test.each([
  ['', /empty/],
  ['.', /"\."/],
  ['..', /"\."/],
  ['a\nb', /control/],
  ['\u0000', /control/],
  ['\u007f', /control/],
  ['\u0085', /control/],
  ['\ud800', /surrogate/],
  ['a\udc00', /surrogate/],
  ['x'.repeat(257), /256 bytes/],
  ['話'.repeat(86), /256 bytes/],
])('%j is none', (topic, problem) => {
  expect(topicProblem(topic)).toMatch(problem)
  expect(topicSchema.safeParse(topic).error?.issues).toMatchObject([{ params: { code: 'invalid_topic' } }])
  expect(topicPatternSchema.safeParse(topic).success).toBe(false)
})

test.each(['*', '>', 'a*', 'a>', 'orders.*', 'orders.*.paid', '*a', 'a>b', '.*'])(
  '%j is no topic: its characters are of patterns',
  (name) => {
    expect(topicSchema.safeParse(name).error?.issues).toMatchObject([
      { params: { code: 'invalid_topic' }, message: 'must not contain "*" or ">"' },
    ])
  },
)

test.each(['*', 'a*', 'orders.*', 'orders', '.*', `${'x'.repeat(255)}*`])('%j is a topic or a pattern', (pattern) => {
  expect(topicPatternSchema.parse(pattern)).toBe(pattern)
})

test.each([
  ['orders.*.paid', /last character/],
  ['**', /last character/],
  ['*a', /last character/],
  ['a*\u2028', /last character/],
  ['>', /no ">"/],
  ['orders.>', /no ">"/],
  ['a>*', /no ">"/],
  [`${'x'.repeat(256)}*`, /256 bytes/],
])('%j matches nothing and is refused', (pattern, message) => {
  expect(topicPatternSchema.safeParse(pattern).error?.issues).toMatchObject([
    { params: { code: 'invalid_topic' }, message: expect.stringMatching(message) },
  ])
})

test('any string is a topic exactly when it comes back from its bytes and these are few and none of control or of patterns', () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.oneof(fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), fc.constantFrom('\ud800', '\n', 'x'.repeat(100))),
      }),
      (text) => {
        const bytes = Buffer.from(text)
        const plain = [...text].every((letter) => !isControl(letter.codePointAt(0) ?? 0))
        const fits =
          text !== '' &&
          text !== '.' &&
          text !== '..' &&
          bytes.length <= maxTopicBytes &&
          bytes.toString() === text &&
          plain &&
          !/[*>]/.test(text)
        expect(topicProblem(text) === undefined).toBe(fits)
      },
    ),
  )
})

test('a filter matches what it names and what begins with its prefixes', () => {
  const filter = topicFilter(['orders', 'stock.*', 'orders'])
  expect(filter).toEqual({ exact: ['orders'], prefixes: ['stock.'] })
  expect(['orders', 'stock.', 'stock.red', 'stock', 'orders.new'].map((topic) => matchesTopic(filter, topic))).toEqual([
    true,
    true,
    true,
    false,
    false,
  ])
  expect(matchesTopic(topicFilter(['*']), 'anything')).toBe(true)
  expect(matchesTopic(topicFilter([]), 'anything')).toBe(false)
})

test('a pattern matches exactly the topics that begin with what stands before its star', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*') })
  fc.assert(
    fc.property(letters, letters, (prefix, topic) => {
      expect(matchesTopic(topicFilter([`${prefix}*`]), topic)).toBe(topic !== directTopic && topic.startsWith(prefix))
    }),
  )
})

/** Unicode's category Cc: C0, DEL and C1. */
function isControl(codePoint: number): boolean {
  return codePoint < 0x20 || (codePoint >= 0x7f && codePoint < 0xa0)
}
