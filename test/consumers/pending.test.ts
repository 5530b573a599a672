import { expect, test } from 'vitest'
import { createPendingCount } from '../../src/consumers/pending.ts'
import { Overloaded, RateLimited } from '../../src/errors.ts'
import { defaultLimits } from '../../src/limits.ts'
import { scanRows } from '../../src/store/log-store.ts'

const consumer = {
  ...{ name: 'c', client: 'tok_1', createdAt: 0, position: 0, prunedSince: 0, gaps: 0, lastGap: null },
  settings: { topics: ['orders'], direct: false, order: 'none' as const, ackWaitMs: 1, maxUnacked: 1, maxDeliveries: 0, backoffMs: 0 },
}

/** Counts in a log of many messages, each of the consumer's topic. */
function counts(tip: number, held = Promise.resolve()) {
  let steps = 0
  const pendingOf = createPendingCount(
    { limits: defaultLimits },
    {
      hub: { tip },
      log: {
        async count({ after, through }) {
          steps++
          await held
          const scanned = Math.min(after + scanRows, through)
          return { messages: scanned - after, scanned }
        },
      },
    },
  )
  const ask = (pay: (units: number) => void = () => undefined, client = 'tok_1') =>
    pendingOf(consumer, { signal: new AbortController().signal, client, pay })
  return { ask, steps: () => steps }
}

test('what is pending is counted as far as a page reaches, and paid by its rows before it is', async () => {
  const paid: number[] = []
  expect(await counts(3_000).ask((units) => paid.push(units))).toEqual({ pending: 3_000, isPendingExact: true })
  expect(paid).toEqual([50, 25])
  const long = counts(1_000_000)
  expect(await long.ask()).toEqual({ pending: 20_000, isPendingExact: false })
  expect(long.steps()).toBe(10)
})

test('a client without a budget gets no count, and one whose budget ends gets a part', async () => {
  const refuse = () => {
    throw new RateLimited('enough', { retryAfterMs: 1 })
  }
  const { ask, steps } = counts(10_000)
  await expect(ask(refuse)).rejects.toThrow(RateLimited)
  expect(steps()).toBe(0)
  let left = 100
  const spend = (units: number) => {
    left -= units
    if (left < 0) refuse()
  }
  expect(await ask(spend)).toEqual({ pending: 4_000, isPendingExact: false })
})

test('counts of one client take turns, and wait in a bounded queue', async () => {
  const held = Promise.withResolvers<void>()
  const { ask, steps } = counts(scanRows, held.promise)
  const asked = Array.from({ length: 2_000 }, () =>
    ask().then(
      () => 'counted',
      (error: unknown) => error,
    ),
  )
  const other = ask(undefined, 'tok_2')
  await Promise.resolve()
  expect(steps()).toBeLessThanOrEqual(4)
  held.resolve()
  expect(await other).toEqual({ pending: scanRows, isPendingExact: true })
  const outcomes = await Promise.all(asked)
  expect(outcomes.filter((each) => each instanceof Overloaded).length).toBeGreaterThan(1_000)
  expect(outcomes).toContain('counted')
})
