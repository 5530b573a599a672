import { describe, expect, it } from 'vitest'
import { createShares, type Shares } from '../../src/lib/shares.ts'

function takeAll(shares: Shares, holder: string): Disposable[] {
  const taken: Disposable[] = []
  for (let next = shares.take(holder); next !== undefined; next = shares.take(holder)) taken.push(next)
  return taken
}

describe('shares', () => {
  it('leaves a share free when one holder takes all that it can', () => {
    const shares = createShares({ max: 100 })
    expect(takeAll(shares, 'greedy')).toHaveLength(75)
    expect(takeAll(shares, 'other')).toHaveLength(25)
    expect(shares.refusal('third')).toBe('all')
  })

  it('gives one of several holders a quarter', () => {
    const shares = createShares({ max: 100 })
    shares.take('first')
    expect(takeAll(shares, 'greedy')).toHaveLength(25)
    expect(shares.refusal('greedy')).toBe('share')
    expect(shares.refusal('other', 25)).toBeUndefined()
    expect(shares.refusal('other', 26)).toBe('share')
  })

  it('refuses more than there is, and takes nothing then', () => {
    const shares = createShares({ max: 10, maxPerHolder: 10 })
    shares.take('one', 8)
    expect(shares.take('two', 3)).toBeUndefined()
    expect([shares.held('one'), shares.held('two'), shares.total]).toEqual([8, 0, 8])
  })

  it('gives back once, however often it is disposed of', () => {
    const shares = createShares({ max: 4 })
    const taken = shares.take('one')
    shares.take('two')
    taken?.[Symbol.dispose]()
    taken?.[Symbol.dispose]()
    expect([shares.held('one'), shares.total]).toEqual([0, 1])
  })

  it('lets exempt holders have everything', () => {
    const shares = createShares({ max: 10, exempt: new Set(['local']) })
    shares.take('one')
    expect(takeAll(shares, 'local')).toHaveLength(9)
  })

  it('lets nobody have more than what is configured, exempt or alone', () => {
    const shares = createShares({ max: 10, maxPerHolder: 3, exempt: new Set(['local']) })
    expect(takeAll(shares, 'local')).toHaveLength(3)
    expect(createShares({ max: 10, share: 0.5 }).refusal('alone', 6)).toBe('share')
    expect(takeAll(createShares({ max: 10, share: 1 }), 'alone')).toHaveLength(10)
  })

  it('counts what is held already, however much it is', () => {
    const shares = createShares({ max: 8 })
    const held = shares.hold('restored', 7)
    expect([shares.refusal('restored'), shares.refusal('other'), shares.refusal('other', 2)]).toEqual(['share', undefined, 'all'])
    held[Symbol.dispose]()
    expect(shares.total).toBe(0)
  })

  it('has one unit at least for each holder', () => {
    const shares = createShares({ max: 2 })
    expect(takeAll(shares, 'one')).toHaveLength(1)
    expect(takeAll(shares, 'two')).toHaveLength(1)
  })
})
