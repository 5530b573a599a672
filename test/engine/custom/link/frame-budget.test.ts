import { describe, expect, test } from 'vitest'
import { createFrameBudget, createFrameBudgets, workBudget } from '../../../../src/engine/custom/link/frame-budget.ts'

const { perSecond, burst } = workBudget

/** Work of a peer until it is cut, that begins with the next frame as soon as it is read again; undefined when it is not cut in that time. */
function workUntilCut(units: number, { everyMs, forMs }: { everyMs: number; forMs: number }): number | undefined {
  const budget = createFrameBudget()
  let work = 0
  for (let now = 0; now < forMs; ) {
    const until = budget.charge(now, units)
    work += units
    if (until === 'over') return work
    now = Math.max(now + everyMs, until)
  }
  return undefined
}

describe('the budget of a peer', () => {
  test.each([5, 20, 110, 1_000, 10_000, 50_000])(
    'lets frames of %i units cause a bounded amount of work, then cuts who sends them',
    (units) => {
      const work = workUntilCut(units, { everyMs: 0, forMs: 60_000 })
      expect(work).toBeGreaterThan(burst)
      // What is at once, and what comes again while the peer is slowed: two seconds.
      expect(work).toBeLessThan(burst + 3 * perSecond + 2 * units)
    },
  )

  test('slows a peer before it cuts it', () => {
    const budget = createFrameBudget()
    expect(budget.charge(0, burst)).toBeLessThan(0)
    expect(budget.charge(0, perSecond / 2)).toBe(500)
    // What is counted while nothing is read is slowed for as well, once.
    expect(budget.charge(0, perSecond / 10)).toBe(600)
    expect(budget.charge(600, perSecond)).toBe(1_600)
    expect(budget.charge(1_600, perSecond)).toBe('over')
  })

  test('is enough for who causes as much work as it may for an hour', () => {
    expect(workUntilCut(perSecond / 100, { everyMs: 10, forMs: 3_600_000 })).toBeUndefined()
    expect(workUntilCut((perSecond / 100) * 1.5, { everyMs: 10, forMs: 3_600_000 })).toBeDefined()
  })

  test('has what is given back', () => {
    const budget = createFrameBudget()
    for (let count = 0; count < 1_000; count++) {
      budget.charge(0, burst / 2)
      expect(budget.charge(0, -burst / 2)).toBeLessThan(0)
    }
  })

  test('is the same with the next link of the peer, and another of another peer', () => {
    const budgets = createFrameBudgets()
    budgets.of('a').charge(0, burst)
    expect(budgets.of('a').charge(0, 1_000)).toBeGreaterThan(0)
    expect(budgets.of('b').charge(0, 1_000)).toBeLessThan(0)
  })
})
