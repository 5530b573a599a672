import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BoundedMap } from '../../src/lib/bounded-map.ts'

test('keeps the entries that were set or used last, in that order, whatever is done', () => {
  const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), key, value: fc.nat(9) }),
    fc.record({ kind: fc.constantFrom('use' as const, 'get' as const, 'delete' as const), key, value: fc.constant(0) }),
    fc.record({ kind: fc.constant('deleteWhile' as const), key, value: fc.nat(9) }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 40 }), (max, steps) => {
      const evicted: Array<[string, number]> = []
      const map = new BoundedMap<string, number>({ max, onEvicted: (...entry) => evicted.push(entry) })
      let model: Array<[string, number]> = []
      for (const { kind, key, value } of steps) {
        const known = model.find(([name]) => name === key)
        const others = model.filter((entry) => entry !== known)
        evicted.length = 0
        let expelled: Array<[string, number]> = []
        if (kind === 'set') {
          map.set(key, value)
          model = [...others, [key, value]]
          expelled = model.splice(0, Math.max(0, model.length - max))
        } else if (kind === 'use') {
          expect(map.use(key)).toBe(known?.[1])
          if (known !== undefined) model = [...others, known]
        } else if (kind === 'get') {
          expect(map.get(key)).toBe(known?.[1])
        } else if (kind === 'delete') {
          expect(map.delete(key)).toBe(known !== undefined)
          model = others
        } else {
          map.deleteWhile((each) => each < value)
          while (model[0] !== undefined && model[0][1] < value) model.shift()
        }
        expect([...map]).toEqual(model)
        expect(evicted).toEqual(expelled)
      }
    }),
  )
})
