import { describe, expect, test } from 'vitest'
import { createFrameBudget, createFrameBudgets, workBudget } from '../../../../src/engine/custom/link/frame-budget.ts'
import { createFrameTurns, type FrameJob } from '../../../../src/engine/custom/link/frame-turns.ts'

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

describe('turns of the event loop', () => {
  /** Each frame takes a millisecond. */
  function turns(turnMs: number) {
    let now = 0
    const later: Array<() => void> = []
    const worked: string[] = []
    const shared = createFrameTurns({ turnMs, sliceMs: 1 }, { now: () => now, afterOthers: (task) => later.push(task) })
    const job = (name: string, frames: number): FrameJob => {
      let left = frames
      return () => {
        now++
        worked.push(name)
        return --left > 0
      }
    }
    return { shared, job, worked, nextTurn: () => later.shift()?.() }
  }

  test('are left to others after their time, however many links there are', () => {
    const { shared, job, worked, nextTurn } = turns(2)
    for (let link = 0; link < 10; link++) shared.run(job(`${link}`, 10))
    expect(worked).toHaveLength(2)
    for (let turn = 1; worked.length < 100; turn++) {
      nextTurn()
      expect(worked).toHaveLength(2 * (turn + 1))
    }
  })

  test('go to the links one after another', () => {
    const { shared, job, worked, nextTurn } = turns(2)
    shared.run(job('flood', 1_000))
    shared.run(job('honest', 1))
    expect(worked).toEqual(['flood', 'flood'])
    nextTurn()
    expect(worked).toEqual(['flood', 'flood', 'flood', 'honest'])
  })

  test('are not waited for while there is time', () => {
    const { shared, job, worked, nextTurn } = turns(5)
    shared.run(job('a', 2))
    shared.run(job('b', 2))
    expect(worked).toEqual(['a', 'a', 'b', 'b'])
    nextTurn()
    nextTurn()
    shared.run(job('c', 1))
    expect(worked).toHaveLength(5)
  })
})
