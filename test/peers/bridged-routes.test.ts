import { expect, test } from 'vitest'
import { createBridgedRoutes } from '../../src/peers/bridged-routes.ts'

test('a route is shown for five minutes after the last answer, and news once a minute or with another bridge', () => {
  let now = 0
  const routes = createBridgedRoutes({ now: () => now })
  expect(routes.via('peer')).toBeUndefined()
  expect(routes.note('peer', 'bridge')).toBe(true)
  now += 59_999
  expect(routes.note('peer', 'bridge')).toBe(false)
  expect(routes.note('peer', 'other')).toBe(true)
  expect(routes.via('peer')).toBe('other')
  now += 60_000
  expect(routes.note('peer', 'other')).toBe(true)
  now += 299_999
  expect(routes.via('peer')).toBe('other')
  now += 1
  expect(routes.via('peer')).toBeUndefined()
})

test('a thousand routes are kept, the latest', () => {
  const routes = createBridgedRoutes()
  for (let number = 0; number <= 1_000; number++) routes.note(`peer ${number}`, 'bridge')
  expect(routes.via('peer 0')).toBeUndefined()
  expect(routes.via('peer 1')).toBe('bridge')
})
