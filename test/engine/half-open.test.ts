import { expect, test } from 'vitest'
import { createHalfOpen, type HalfOpenInit } from '../../src/engine/half-open.ts'
import { createLimitsReached } from '../../src/engine/limits-reached.ts'

/** Half-open connections whose ends are recorded, at a time that the test sets. */
function halfOpen(init: Partial<HalfOpenInit> = {}) {
  const clock = { ms: 0 }
  const reached = createLimitsReached()
  const { enter } = createHalfOpen({ maxConnections: 8, maxHandshakesPerSecond: 1_000, ...init }, { reached, now: () => clock.ms })
  const gaveWay: string[] = []
  return { clock, gaveWay, reached, enter: (host: string, name = host) => enter(host, () => void gaveWay.push(name)) }
}

test('when no place is left, the oldest connection of the address that has most gives way', () => {
  const { enter, gaveWay } = halfOpen()
  for (let number = 0; number < 6; number++) enter('greedy', `greedy ${number}`)
  for (const host of ['one', 'two', 'three', 'four']) expect(enter(host)).toBeDefined()
  expect(gaveWay).toEqual(['greedy 0', 'greedy 1'])
})

test('an address has a quarter of the places while others have any: beyond, its own oldest gives way', () => {
  const { enter, gaveWay } = halfOpen()
  enter('honest')
  for (let number = 0; number < 5; number++) enter('greedy', `greedy ${number}`)
  expect(gaveWay).toEqual(['greedy 0', 'greedy 1', 'greedy 2'])
})

test('a single address may have all places, until another comes', () => {
  const { enter, gaveWay } = halfOpen()
  for (let number = 0; number < 8; number++) enter('one', `${number}`)
  expect(gaveWay).toEqual([])
  expect(enter('another')).toBeDefined()
  expect(gaveWay).toEqual(['0'])
})

test('a place is free again once it is disposed of, and is given back once', () => {
  const { enter, gaveWay } = halfOpen({ maxConnections: 1 })
  const first = enter('one')
  first?.[Symbol.dispose]()
  first?.[Symbol.dispose]()
  enter('other')
  expect(gaveWay).toEqual([])
  enter('third')
  expect(gaveWay).toEqual(['other'])
})

test('addresses that begin many handshakes are refused at the rate, and one without any lately is let in', () => {
  const { enter, clock, reached } = halfOpen({ maxConnections: 100, maxHandshakesPerSecond: 10 })
  let entered = 0
  for (let number = 0; number < 30; number++) if (enter(`greedy ${number % 2}`) !== undefined) entered++
  expect(entered).toBe(10)
  expect(reached.counts.half_open).toBe(20)
  expect(enter('honest')).toBeDefined()
  clock.ms += 1_000
  expect(enter('greedy 0')).toBeDefined()
})

test('however many addresses there are, handshakes begin at the rate, but for those of one more second at first', () => {
  const { enter, clock } = halfOpen({ maxConnections: 100, maxHandshakesPerSecond: 10 })
  const entered = (from: number) =>
    Array.from({ length: 100 }, (_, number) => enter(`${from + number}`)).filter((place) => place !== undefined).length
  expect(entered(0)).toBe(20)
  for (let second = 1; second < 20; second++) {
    clock.ms += 1_000
    expect(entered(second * 100)).toBe(10)
  }
})
