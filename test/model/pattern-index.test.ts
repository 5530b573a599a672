import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { createPatternIndex } from '../../src/model/pattern-index.ts'
import * as model from '../../src/model/topic-pattern.ts'

vi.mock('../../src/model/topic-pattern.ts', { spy: true })
const { covers } = await vi.importActual<typeof model>('../../src/model/topic-pattern.ts')

/** More comparisons than any of these topics needs. */
const enough = 1_000_000
const level = fc.constantFrom('a', 'b', '')
const someLevels = fc.array(fc.oneof(level, fc.constant('*')), { maxLength: 4 })
/** Some have more levels than the index sorts by. */
const somePattern = fc
  .tuple(fc.constantFrom(0, 0, 20), someLevels, fc.constantFrom('a', 'b', '*', '>'))
  .map(([deep, levels, last]) => [...Array(deep).fill('a'), ...levels, last].join('.'))
const someChange = fc.record({ at: fc.nat(29), follower: fc.nat(2), isRemoved: fc.boolean() })

test('finds the followers of each pattern that matches, whatever was added and removed', () => {
  const pool = fc.uniqueArray(somePattern, { minLength: 30, maxLength: 30, size: 'max' })
  const someChanges = fc.array(someChange, { minLength: 20, maxLength: 80, size: 'max' })
  fc.assert(
    fc.property(pool, someChanges, (patterns, changes) => {
      const index = createPatternIndex<number>()
      const left = new Map<string, Set<number>>(patterns.map((pattern) => [pattern, new Set()]))
      for (const { at, follower, isRemoved } of changes) {
        const pattern = patterns[at] ?? ''
        if (isRemoved) index.delete(pattern, follower)
        else index.add(pattern, follower)
        if (isRemoved) left.get(pattern)?.delete(follower)
        else left.get(pattern)?.add(follower)
      }
      expect(index.patterns).toBe([...left.values()].filter(({ size }) => size > 0).length)
      for (const topic of patterns.map((pattern) => pattern.replaceAll(/[*>]/g, 'a'))) {
        const found = new Set<number>()
        index.match(topic, enough, (follower) => found.add(follower))
        const expected = patterns.filter((pattern) => covers(pattern, topic)).flatMap((pattern) => [...(left.get(pattern) ?? [])])
        expect([...found].sort()).toEqual([...new Set(expected)].sort())
      }
    }),
  )
})

test('compares a topic with few of many patterns', () => {
  const index = createPatternIndex<string>()
  const many = Array.from({ length: 5_000 }, (_, number) => `shop.${number % 50}.till.${number}.>`)
  for (const pattern of [...many, 'shop.*.till.*.>', '*.7.>']) index.add(pattern, pattern)
  const found: string[] = []
  vi.mocked(model.covers).mockClear()
  index.match('shop.7.till.57.sale', enough, (follower) => found.push(follower))
  expect(vi.mocked(model.covers).mock.calls.length).toBeLessThan(10)
  expect(found.sort()).toEqual(['*.7.>', 'shop.*.till.*.>', 'shop.7.till.57.>'])
})
