import { expect, test } from 'vitest'
import { createPump } from '../../src/stream/pump.ts'

/** A source with so many steps to go, which notes each turn it gets. */
function source(name: string, steps: number, turns: string[], step: () => void | Promise<void> = () => undefined) {
  return {
    get ready() {
      return steps > 0
    },
    advance() {
      steps--
      turns.push(name)
      return step()
    },
  }
}

function noError(error: unknown): void {
  throw error
}

test('gives every ready source a step in turn', async () => {
  const turns: string[] = []
  const sources = [source('a', 3, turns), source('b', 1, turns), source('c', 2, turns)]
  createPump({ sources, outlet: { writable: true }, onError: noError }).run()
  await expect.poll(() => turns.join('')).toBe('abcaca')
})

test('stops while the outlet is full and goes on where it was', async () => {
  const turns: string[] = []
  const outlet = { writable: true }
  const sources = [
    source('a', 3, turns, () => {
      outlet.writable = turns.length < 2
    }),
  ]
  const pump = createPump({ sources, outlet, onError: noError })
  pump.run()
  await expect.poll(() => turns.length).toBe(2)
  outlet.writable = true
  pump.run()
  await expect.poll(() => turns.length).toBe(3)
})

test('gives each its step however often the outlet is full in between', async () => {
  const turns: string[] = []
  const outlet = { writable: true }
  const full = () => {
    outlet.writable = false
  }
  const sources = [source('a', 4, turns, full), source('b', 2, turns, full), source('c', 2, turns, full)]
  const pump = createPump({ sources, outlet, onError: noError })
  for (let drains = 0; drains < 8; drains++) {
    outlet.writable = true
    pump.run()
    await expect.poll(() => turns.length).toBe(drains + 1)
  }
  expect(turns.join('')).toBe('abcabcaa')
})

test('never takes two steps at once while the store is asked', async () => {
  const turns: string[] = []
  const answers: Array<() => void> = []
  const sources = [source('a', 2, turns, () => new Promise<void>((resolve) => answers.push(resolve)))]
  const pump = createPump({ sources, outlet: { writable: true }, onError: noError })
  pump.run()
  pump.run()
  expect(turns).toHaveLength(1)
  answers.shift()?.()
  await expect.poll(() => turns.length).toBe(2)
})

test.each([
  ['is there', () => undefined],
  ['the store has at once', async () => undefined],
])('lets others have their turn between two steps of what %s', async (_, step) => {
  const turns: string[] = []
  const sources = [source('a', 50, turns, step)]
  createPump({ sources, outlet: { writable: true }, onError: noError }).run()
  for (let other = 0; turns.length < 50; other++) {
    expect(turns.length).toBeLessThanOrEqual(2 * other + 2)
    await new Promise((resolve) => setImmediate(resolve))
  }
})

test('reports a step that failed, and can be run again', async () => {
  const turns: string[] = []
  const errors: unknown[] = []
  const sources = [source('a', 2, turns, () => Promise.reject(new Error('no store')))]
  const pump = createPump({ sources, outlet: { writable: true }, onError: (error) => errors.push(error) })
  pump.run()
  await expect.poll(() => errors.length).toBe(1)
  pump.run()
  await expect.poll(() => errors.length).toBe(2)
})
