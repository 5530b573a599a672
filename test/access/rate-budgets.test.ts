import { describe, expect, test } from 'vitest'
import { createRates } from '../../src/access/rates.ts'
import { RateLimited } from '../../src/errors.ts'
import { createAuthorQuota } from '../../src/log/author-quota.ts'

const limits = { tokenRate: 10, tokenBurst: 20, addressRate: 30, addressBurst: 40 }

function rates() {
  const clock = { now: 0 }
  const { take } = createRates({ limits }, { now: () => clock.now })
  return { clock, take }
}

describe('a budget', () => {
  test('tokenBurst, tokenRate: so much at once, and so much a second after it', () => {
    const { clock, take } = rates()
    const client = { grantId: 'a', address: '192.0.2.1' }
    expect(take(client, 5)).toEqual({ name: 'token', quota: 20, perSecond: 10, remaining: 15, resetSeconds: 1 })
    expect(take(client, 15)).toMatchObject({ remaining: 0, resetSeconds: 2 })
    expect(() => take(client, 3)).toThrow(
      expect.objectContaining({ code: 'rate_limited', retryAfterMs: 300, extensions: { budget: 'token' } }),
    )
    clock.now += 300
    expect(take(client, 3)).toMatchObject({ remaining: 0 })
    clock.now += 60_000
    expect(take(client, 1)).toMatchObject({ remaining: 19 })
  })

  test('is told of without being charged', () => {
    const clock = { now: 0 }
    const { take, budgets } = createRates({ limits }, { now: () => clock.now })
    const client = { grantId: 'a', address: '192.0.2.1' }
    take(client, 5)
    const told = [
      { name: 'token', quota: 20, perSecond: 10, remaining: 15, resetSeconds: 1 },
      { name: 'address', quota: 40, perSecond: 30, remaining: 35, resetSeconds: 1 },
    ]
    expect([budgets(client), budgets(client)]).toEqual([told, told])
  })

  test('addressBurst, addressRate: all tokens behind one address together; others have their own', () => {
    const { take } = rates()
    for (const grantId of ['a', 'b']) for (let count = 0; count < 20; count++) take({ grantId, address: '192.0.2.1' }, 1)
    expect(() => take({ grantId: 'c', address: '192.0.2.1' }, 1)).toThrow(RateLimited)
    expect(take({ grantId: 'c', address: '192.0.2.2' }, 1)).toMatchObject({ remaining: 19 })
  })

  test('that is refused costs nothing, and what is worth more than all of it can be had when it is full', () => {
    const { clock, take } = rates()
    const client = { grantId: 'a', address: '192.0.2.1' }
    take(client, 1)
    expect(() => take(client, 1_000)).toThrow(RateLimited)
    expect(take(client, 1)).toMatchObject({ remaining: 18 })
    clock.now += 10_000
    expect(take(client, 1_000)).toMatchObject({ remaining: 0 })
  })
})

test('maxAuthorBytesPerHour: an author brings so much into a topic, and again in the next hour', () => {
  const clock = { now: 0 }
  const quota = createAuthorQuota({ maxAuthorBytesPerHour: 100 }, { now: () => clock.now })
  expect([quota.take('a', 'orders', 60), quota.take('a', 'orders', 41), quota.take('a', 'orders', 40)]).toEqual([true, false, true])
  expect([quota.take('a', 'news', 100), quota.take('b', 'orders', 100)]).toEqual([true, true])
  clock.now += 3_600_000
  expect(quota.take('a', 'orders', 100)).toBe(true)
})
