import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ceilingBlock, createSequence } from '../../src/identity/sequence.ts'

function memoryCeiling(ceiling = 0n) {
  return {
    ceiling,
    raises: 0,
    raise(to: bigint) {
      this.ceiling = to
      this.raises++
    },
  }
}

test('rises through restarts and through a clock that steps back', () => {
  const clock = fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n })
  const step = fc.oneof(fc.record({ clock }), fc.constant('restart' as const))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const store = memoryCeiling()
      let now = 0n
      let next = createSequence(store, () => now)
      let last = 0n
      for (const step of steps) {
        if (step === 'restart') next = createSequence(store, () => now)
        else now = step.clock
        const sequence = next()
        expect(sequence > last).toBe(true)
        expect(sequence < store.ceiling).toBe(true)
        last = sequence
      }
    }),
  )
})

test('gives no number before a ceiling above it is durable, also the number of the ceiling itself', () => {
  const store = memoryCeiling()
  const clock = { now: 1n }
  const next = createSequence(store, () => clock.now)
  next()
  clock.now = store.ceiling
  expect(next()).toBe(clock.now)
  expect(store.ceiling).toBe(clock.now + ceilingBlock)
})

test('writes the ceiling once for a block of numbers', () => {
  const store = memoryCeiling()
  let now = 1_000n
  const next = createSequence(store, () => now)
  for (; now < ceilingBlock; now += ceilingBlock / 100n) next()
  expect(store.raises).toBe(1)
})
