import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  directTopic,
  matchesTopic,
  maxTopicBytes,
  patternsOf,
  topicFilter,
  topicPatternProblem,
  topicPatternSchema,
  topicProblem,
  topicSchema,
  withDirect,
} from '../../src/model/topic.ts'

const schemaPattern = new RegExp(String(topicPatternSchema.meta()?.['pattern']))
const topicInContract = new RegExp(String(topicSchema.meta()?.['pattern']))

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

test.each(['*', '>', 'orders', 'orders.*', 'orders.*.paid', 'orders.>', '*.*.>', '.*', 'a..>', '/fil/blocks', `${'x'.repeat(254)}.*`])(
  '%j is a topic or a pattern',
  (pattern) => {
    expect(topicPatternSchema.parse(pattern)).toBe(pattern)
    expect(schemaPattern.test(pattern)).toBe(true)
  },
)

test.each(['a*', 'visits/*', '**', '*a', 'a.b*', '*\u2028', '>.a', '>.>', 'a>', 'a.>.b', 'a.*>', '>>'])(
  '%j matches nothing and is refused, with what to write instead',
  (pattern) => {
    expect(topicPatternSchema.safeParse(pattern).error?.issues).toMatchObject([
      { params: { code: 'invalid_topic' }, message: expect.stringContaining('"orders.>" for all below') },
    ])
    expect(schemaPattern.test(pattern)).toBe(false)
  },
)

test('a pattern has as many bytes as a topic at most', () => {
  const { error } = topicPatternSchema.safeParse(`${'x'.repeat(255)}.*`)
  expect(error?.issues).toMatchObject([{ params: { code: 'invalid_topic' }, message: expect.stringMatching(/256 bytes/) }])
})

test('the schema that clients read takes the patterns that the gateway takes', () => {
  const unit = fc.constantFrom('a', '.', '*', '>', 'é')
  fc.assert(
    fc.property(fc.string({ unit, minLength: 1, maxLength: 6 }), (text) => {
      expect(schemaPattern.test(text)).toBe(topicPatternProblem(text) === undefined)
      expect(topicInContract.test(text)).toBe(topicProblem(text) === undefined)
    }),
  )
  const level = fc.constantFrom('', 'a', '*')
  fc.assert(
    fc.property(fc.array(level, { minLength: 14, maxLength: 18 }), fc.constantFrom('', 'a', '*', '>'), (levels, last) => {
      const text = [...levels, last].join('.')
      expect(schemaPattern.test(text)).toBe(topicPatternProblem(text) === undefined)
    }),
  )
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

test('a filter matches what it names and what its patterns match', () => {
  const filter = topicFilter(['orders', 'stock.>', 'orders', '*.red'])
  expect(filter).toEqual({ exact: ['orders'], patterns: ['stock.>', '*.red'] })
  const topics = ['orders', 'stock.red.1', 'paint.red', 'stock', 'orders.new', directTopic]
  expect(topics.filter((topic) => matchesTopic(filter, topic))).toEqual(['orders', 'stock.red.1', 'paint.red'])
  expect(matchesTopic(topicFilter(['>']), 'anything')).toBe(true)
  expect(matchesTopic(topicFilter(['>', '*']), directTopic)).toBe(false)
  expect(matchesTopic(topicFilter([]), 'anything')).toBe(false)
  expect(patternsOf(withDirect(filter, true))).toEqual(['orders', 'stock.>', '*.red'])
})

/** Unicode's category Cc: C0, DEL and C1. */
function isControl(codePoint: number): boolean {
  return codePoint < 0x20 || (codePoint >= 0x7f && codePoint < 0xa0)
}
