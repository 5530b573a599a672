import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSampledMap } from '../../src/lib/sampled-map.ts'

test('holds what a map holds, whatever is set, deleted and drawn', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e')
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key, value: fc.nat() }),
    fc.record({ kind: fc.constant('delete' as const), key }),
    fc.record({ kind: fc.constant('sample' as const), count: fc.nat(7), random: fc.double({ min: 0, max: 0.999, noNaN: true }) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const map = createSampledMap<number>()
      const model = new Map<string, number>()
      for (const each of steps) {
        if (each.kind === 'set') {
          map.set(each.key, each.value)
          model.set(each.key, each.value)
        } else if (each.kind === 'delete') {
          map.delete(each.key)
          model.delete(each.key)
        } else {
          const drawn = map.sample(each.count, () => each.random)
          expect(new Set(drawn.map(([name]) => name)).size).toBe(Math.min(each.count, model.size))
          for (const [name, value] of drawn) expect(model.get(name)).toBe(value)
        }
        expect(new Map(map)).toEqual(model)
        expect(map.size).toBe(model.size)
        for (const name of ['a', 'e']) expect(map.get(name)).toBe(model.get(name))
      }
    }),
  )
})

test('draws each entry as often as any other, at the cost of those that are drawn', () => {
  const map = createSampledMap<number>()
  for (let value = 0; value < 1_000; value++) map.set(`key ${value}`, value)
  const times = new Map<string, number>()
  let draws = 0
  let state = 1
  const random = () => {
    draws++
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
  for (let round = 0; round < 5_000; round++) for (const [key] of map.sample(20, random)) times.set(key, (times.get(key) ?? 0) + 1)
  expect(draws).toBe(5_000 * 20)
  expect(times.size).toBe(1_000)
  expect(Math.min(...times.values())).toBeGreaterThan(40)
  expect(Math.max(...times.values())).toBeLessThan(200)
})
