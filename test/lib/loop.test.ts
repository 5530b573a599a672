import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createLoop } from '../../src/lib/loop.ts'

test('every request is followed by the start of a run, runs never overlap, and there are no runs without a request', async () => {
  const delays = fc.array(fc.record({ waits: fc.nat(6), asks: fc.nat(2) }), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(delays, fc.nat(4), async (steps, length) => {
      let runs = 0
      let asked = 0
      let served = 0
      let isRunning = false
      const loop = createLoop({
        async work() {
          expect(isRunning).toBe(false)
          isRunning = true
          runs++
          served = asked
          for (let turn = 0; turn < length; turn++) await undefined
          isRunning = false
          if (runs % 2 === 0) throw new Error('every second run fails')
        },
        onError: () => undefined,
      })
      for (const { waits, asks } of steps) {
        for (let turn = 0; turn < waits; turn++) await undefined
        for (let ask = 0; ask < asks; ask++) {
          asked++
          loop.ask()
        }
      }
      await loop.idle()
      expect(served).toBe(asked)
      expect(runs).toBeLessThanOrEqual(asked)
    }),
  )
})

test('requests during a run share the next one, and errors are reported', async () => {
  const held = Promise.withResolvers<void>()
  const errors: unknown[] = []
  let runs = 0
  const loop = createLoop({
    async work() {
      if (++runs === 1) await held.promise
    },
    onError: (error) => void errors.push(error),
  })
  for (let ask = 0; ask < 5; ask++) loop.ask()
  expect(runs).toBe(1)
  held.reject('broken')
  await loop.idle()
  expect(runs).toBe(2)
  expect(errors).toEqual(['broken'])
})

test('who asks for the next run waits for that one only, and a run that throws at once ends like others', async () => {
  const held = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let runs = 0
  const loop = createLoop({
    work() {
      const run = held[runs++]
      if (run === undefined) throw new Error('at once')
      return run.promise
    },
    onError() {},
  })
  loop.ask()
  const next = loop.next()
  held[0]?.resolve()
  await expect.poll(() => runs).toBe(2)
  loop.ask()
  held[1]?.resolve()
  await next
  await loop.idle()
  expect(runs).toBe(3)
  await loop.next()
  expect(runs).toBe(4)
})
