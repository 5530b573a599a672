import { expect, test } from 'vitest'
import { createBridgedPaths } from '../../src/peers/bridged-paths.ts'

test('a path is shown for five minutes after the last answer, and news once a minute or with another bridge', () => {
  let now = 0
  const paths = createBridgedPaths({ now: () => now, wallNow: () => 1_000_000 + now })
  expect(paths.of('peer')).toBeUndefined()
  expect(paths.note('peer', 'bridge', [])).toBe(true)
  now += 59_999
  expect(paths.note('peer', 'bridge', [])).toBe(false)
  expect(paths.note('peer', 'other', [])).toBe(true)
  expect(paths.of('peer')).toEqual({ via: 'other', beyond: [], since: 1_059_999 })
  now += 60_000
  expect(paths.note('peer', 'other', [])).toBe(true)
  now += 299_999
  expect(paths.of('peer')).toEqual({ via: 'other', beyond: [], since: 1_059_999 })
  now += 1
  expect(paths.of('peer')).toBeUndefined()
  expect(paths.note('peer', 'other', [])).toBe(true)
  expect(paths.of('peer')).toEqual({ via: 'other', beyond: [], since: 1_000_000 + now })
  expect(paths.note('peer', 'other', ['near', 'far'])).toBe(true)
  expect(paths.of('peer')).toMatchObject({ beyond: ['near', 'far'] })
})

test('a thousand paths are kept, the latest', () => {
  const paths = createBridgedPaths()
  for (let number = 0; number <= 1_000; number++) paths.note(`peer ${number}`, 'bridge', [])
  expect(paths.of('peer 0')).toBeUndefined()
  expect(paths.of('peer 1')).toMatchObject({ via: 'bridge' })
})
