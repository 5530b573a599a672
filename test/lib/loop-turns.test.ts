import { describe, expect, test } from 'vitest'
import { createLoopTurns, type LoopJob } from '../../src/lib/loop-turns.ts'

describe('turns of the event loop', () => {
  /** Each piece of work takes a millisecond. */
  function turns(turnMs: number) {
    let now = 0
    const later: Array<() => void> = []
    const worked: string[] = []
    const shared = createLoopTurns({ turnMs, sliceMs: 1 }, { now: () => now, afterOthers: (task) => later.push(task) })
    const job = (name: string, pieces: number): LoopJob => {
      let left = pieces
      return () => {
        now++
        worked.push(name)
        return --left > 0
      }
    }
    return { shared, job, worked, nextTurn: () => later.shift()?.() }
  }

  test('are left to others after their time, however many jobs there are', () => {
    const { shared, job, worked, nextTurn } = turns(2)
    for (let index = 0; index < 10; index++) shared.run(job(`${index}`, 10))
    expect(worked).toHaveLength(2)
    for (let turn = 1; worked.length < 100; turn++) {
      nextTurn()
      expect(worked).toHaveLength(2 * (turn + 1))
    }
  })

  test('go to the jobs one after another', () => {
    const { shared, job, worked, nextTurn } = turns(2)
    shared.run(job('flood', 1_000))
    shared.run(job('honest', 1))
    expect(worked).toEqual(['flood', 'flood'])
    nextTurn()
    expect(worked).toEqual(['flood', 'flood', 'flood', 'honest'])
  })

  test('come to the others although a job has thrown', () => {
    const { shared, job, worked, nextTurn } = turns(2)
    const broken = () => {
      throw new Error('broken')
    }
    shared.run(job('a', 3))
    expect(() => {
      shared.run(broken)
      nextTurn()
    }).toThrow('broken')
    shared.run(job('b', 1))
    nextTurn()
    nextTurn()
    expect(worked).toEqual(['a', 'a', 'a', 'b'])
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
