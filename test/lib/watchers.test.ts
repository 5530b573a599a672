import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createWatchers } from '../../src/lib/watchers.ts'

const failure = new Error('this watcher fails')

/** Watchers of which two fail, each in its way, before a third is called. */
function failing() {
  const told: string[] = []
  const watchers = createWatchers<[text: string]>()
  watchers.watch(() => {
    throw failure
  })
  watchers.watch(() => Promise.reject(failure))
  const end = watchers.watch((text) => told.push(text))
  return { watchers, told, end }
}

/** What the edge of the process would log. */
function unhandled(): unknown[] {
  const reasons: unknown[] = []
  const others = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', (reason) => void reasons.push(reason))
  onTestFinished(() => {
    process.removeAllListeners('unhandledRejection')
    for (const listener of others) process.on('unhandledRejection', listener)
  })
  return reasons
}

test('watchers that fail keep neither the caller nor other watchers from their work, and their failures are reported', async () => {
  const reasons = unhandled()
  const { watchers, told, end } = failing()
  watchers.tell('first')
  expect(told).toEqual(['first'])
  await nextTurn()
  expect(reasons).toEqual([failure, failure])
  end()
  watchers.tell('second')
  await nextTurn()
  expect([told, watchers.size]).toEqual([['first'], 2])
})

test('who waits for the watchers gets their failure, and nobody else', async () => {
  const reasons = unhandled()
  const { watchers, told } = failing()
  await expect(watchers.tellAndWait('first')).rejects.toBe(failure)
  await nextTurn()
  expect([told, reasons]).toEqual([['first'], []])
})

test('who waits for the watchers goes on when all have finished', async () => {
  const watchers = createWatchers()
  const slow = Promise.withResolvers<void>()
  let isOver = false
  watchers.watch(() => slow.promise)
  const waiting = watchers.tellAndWait().then(() => {
    isOver = true
  })
  await nextTurn()
  expect(isOver).toBe(false)
  slow.resolve()
  await waiting
})
