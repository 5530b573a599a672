import fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { createMissing } from '../../../../src/engine/custom/overlay/missing.ts'
import { createUnasked } from '../../../../src/engine/custom/overlay/unasked.ts'

const numbers = vi.hoisted(() => ({ read: 0 }))

/** Counts the ids whose numbers are read. */
vi.mock(import('../../../../src/model/signed-message.ts'), async (importOriginal) => {
  const original = await importOriginal()
  return {
    ...original,
    sequenceOf(id: string) {
      numbers.read++
      return original.sequenceOf(id)
    },
  }
})

test('however many messages of an author are announced that nobody has, a message of it costs those that it has overtaken', () => {
  const missing = createMissing(
    { limits: defaultOverlayLimits },
    { now: () => 0, random: () => 0, doubt: () => 0, broughtAt: () => undefined },
  )
  for (let peer = 0; peer < 4; peer++) {
    for (let count = 0; count < 5_000; count++)
      missing.announce('orders', `author.${1_000_000 + 5_000 * peer + count}`, `hostile ${peer}`, 1)
  }
  expect(missing.size).toBe(defaultOverlayLimits.maxMissing)
  numbers.read = 0
  for (let count = 0; count < 100; count++) missing.overtaken(`author.${count}`)
  expect(numbers.read).toBeLessThan(1_000)
})

test('earlier messages of an author are taken once, in their order; others, later and drawn ones are not', () => {
  const unasked = createUnasked<{ id: string }>()
  const gone = { id: 'a.10' }
  unasked.add(gone)
  for (const id of ['a.9', 'b.1', 'a.30', 'a.20', `a.${2n ** 62n}`]) unasked.add({ id })
  unasked.remove(gone)
  unasked.remove({ id: 'a.11' })
  expect(unasked.takeBefore('a.9')).toEqual([])
  expect(unasked.takeBefore(`a.${2n ** 63n}`)).toEqual([])
  expect(unasked.takeBefore('a.21').map(({ id }) => id)).toEqual(['a.9', 'a.20'])
  expect(unasked.takeBefore('a.21')).toEqual([])
  expect(unasked.takeBefore('a.31').map(({ id }) => id)).toEqual(['a.30'])
})

test('whatever the order in which messages are announced, asked for and overtaken, those that are left are taken', () => {
  const number = fc.integer({ min: 0, max: 300 })
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('add', 'remove', 'take'), number), { maxLength: 200 }), (steps) => {
      const unasked = createUnasked<{ id: string; number: number }>()
      const left = new Map<number, { id: string; number: number }>()
      for (const [step, each] of steps) {
        const entry = left.get(each)
        if (step === 'add' && entry === undefined) {
          const added = { id: `a.${each}`, number: each }
          left.set(each, added)
          unasked.add(added)
        } else if (step === 'remove' && entry !== undefined) {
          left.delete(each)
          unasked.remove(entry)
        } else if (step === 'take') {
          const earlier = [...left.keys()].filter((key) => key < each).sort((one, other) => one - other)
          expect(unasked.takeBefore(`a.${each}`).map((taken) => taken.number)).toEqual(earlier)
          for (const key of earlier) left.delete(key)
        }
      }
    }),
  )
})

test('of what many liars announced at once a part is due in each tick, and all of it soon', () => {
  let time = 0
  const missing = createMissing(
    { limits: defaultOverlayLimits },
    { now: () => time, random: () => 0, doubt: () => 0, broughtAt: () => undefined },
  )
  for (let count = 0; count < 5_000; count++) missing.announce('orders', `author.${count}`, 'liar', 1)
  time += defaultOverlayLimits.graftMs
  const asked = () => missing.due().asks.map(({ ids }) => ids.length)
  expect([asked(), asked(), asked(), asked()]).toEqual([[2_000], [2_000], [1_000], []])
})
