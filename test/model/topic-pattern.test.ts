import fc from 'fast-check'
import { expect, test } from 'vitest'
import { covers, isPrefixPattern, levelsProblem, literalPrefix, maxPatternLevels } from '../../src/model/topic-pattern.ts'

/** The levels of the topics below. No pattern names the last one, so it stands for every level that none names. */
const levels = ['a', 'b', '', 'other']

/** Every topic of up to four such levels, which is more than a pattern below has. */
const topics = [1, 2, 3, 4]
  .flatMap((length) => Array.from({ length: levels.length ** length }, (_, number) => nameOf(number, length)))
  .filter((topic) => topic !== '')

function nameOf(number: number, length: number): string {
  return Array.from({ length }, (_, place) => levels[Math.floor(number / levels.length ** place) % levels.length]).join('.')
}

/** The meaning as the documents put it. */
function matches([first, ...others]: string[], [level, ...rest]: string[]): boolean {
  if (first === undefined || level === undefined) return first === level
  return first === '>' || ((first === '*' || first === level) && matches(others, rest))
}

const matched = (pattern: string) => topics.filter((topic) => matches(pattern.split('.'), topic.split('.')))

const somePattern = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '', '*'), { maxLength: 2 }), fc.constantFrom('a', 'b', '', '*', '>'))
  .map(([first, last]) => [...first, last].join('.'))
  .filter((pattern) => pattern !== '')

test.each([
  ['orders.*.paid', ['orders.1.paid', 'orders..paid'], ['orders.paid', 'orders.1.2.paid', 'orders.1.paid.eur', 'orders.1.unpaid']],
  ['orders.>', ['orders.1', 'orders.1.paid', 'orders.'], ['orders', 'ordersnew.1', 'order.1']],
  ['*', ['orders', '/fil/blocks', 'a b'], ['orders.1', '.orders', 'orders.']],
  ['*.>', ['orders.1', 'orders.', '.orders', '/fil/v1.2'], ['orders', '/fil/blocks']],
  ['>', ['orders', 'orders.1', '/fil/blocks', '...'], []],
  ['a..b', ['a..b'], ['a.b', 'a.x.b']],
])('%s matches what it says', (pattern, some, others) => {
  expect([...some, ...others].filter((topic) => covers(pattern, topic))).toEqual(some)
})

test('a pattern matches exactly the topics that its levels say', () => {
  fc.assert(
    fc.property(somePattern, (pattern) => {
      expect(topics.filter((topic) => covers(pattern, topic))).toEqual(matched(pattern))
    }),
  )
})

test('a pattern covers another exactly when it matches each topic that the other matches', () => {
  fc.assert(
    fc.property(somePattern, somePattern, (pattern, other) => {
      expect(covers(pattern, other)).toBe(matched(other).every((topic) => matches(pattern.split('.'), topic.split('.'))))
    }),
    { numRuns: 500 },
  )
})

test('what a pattern matches begins with its literal prefix, and is all that does for one that says so', () => {
  fc.assert(
    fc.property(somePattern, (pattern) => {
      const beginning = topics.filter((topic) => topic.startsWith(literalPrefix(pattern)))
      expect(beginning).toEqual(expect.arrayContaining(matched(pattern)))
      expect(isPrefixPattern(pattern)).toBe(pattern.endsWith('>') && beginning.length === matched(pattern).length)
    }),
  )
})

test('a pattern has at most 16 levels, a topic any number', () => {
  const deep = Array(maxPatternLevels).fill('a')
  expect(levelsProblem([...deep.slice(1), '*'].join('.'))).toBeUndefined()
  expect(levelsProblem([...deep, '>'].join('.'))).toBe('must have at most 16 levels')
  expect(levelsProblem([...deep, 'a'].join('.'))).toBeUndefined()
})
