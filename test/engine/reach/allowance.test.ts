import { expect, test } from 'vitest'
import { createAllowances, dialWithin } from '../../../src/engine/reach/allowance.ts'

function setUp() {
  const state = { received: 0 }
  const allowanceOf = createAllowances<{ received: number }>(({ received }) => received)
  return { state, allowance: allowanceOf(state), allowanceOf }
}

test('a peer that has sent nothing has nothing sent, and then three times as much as it sends', () => {
  const { state, allowance, allowanceOf } = setUp()
  expect(allowance.take(1)).toBeUndefined()
  state.received = 100
  expect(allowance.take(200)).toBeDefined()
  expect(allowanceOf(state).take(101)).toBeUndefined()
  expect(allowanceOf(state).take(100)).toBeDefined()
  expect(allowanceOf({ received: 1 }).take(3)).toBeDefined()
})

test('what was sent to an address that answers is given back, once', () => {
  const { state, allowance } = setUp()
  state.received = 100
  const giveBack = allowance.take(300)
  giveBack?.()
  giveBack?.()
  expect(allowance.take(301)).toBeUndefined()
  expect(allowance.take(300)).toBeDefined()
})

test('a dial that fails keeps its bytes, and one for which there are none is not made', async () => {
  const { state, allowance } = setUp()
  state.received = 100
  await dialWithin(allowance, 200, async () => 'connected')
  await expect(dialWithin(allowance, 200, async () => await Promise.reject(new Error('nobody')))).rejects.toThrow('nobody')
  let dials = 0
  await expect(dialWithin(allowance, 200, async () => dials++)).rejects.toThrow('has sent too little')
  expect(dials).toBe(0)
})
