import { expect, test } from 'vitest'
import { createSingleFlight } from '../../src/lib/single-flight.ts'

test('calls during a run join it, and the next call begins another one', async () => {
  let runs = 0
  let held = Promise.withResolvers<void>()
  const flight = createSingleFlight(async () => {
    const number = ++runs
    await held.promise
    return number
  })
  const first = flight.run()
  expect(flight.run()).toBe(first)
  let isIdle = false
  const idle = flight.idle().then(() => {
    isIdle = true
  })
  await new Promise(setImmediate)
  expect(isIdle).toBe(false)
  held.resolve()
  expect(await first).toBe(1)
  await idle
  held = Promise.withResolvers()
  const second = flight.run()
  held.reject(new Error('broken'))
  await flight.idle()
  await expect(second).rejects.toThrow('broken')
  held = Promise.withResolvers()
  held.resolve()
  expect(await flight.run()).toBe(3)
})
