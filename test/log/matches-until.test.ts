import { expect, test } from 'vitest'
import { matchesUntil, type Wanted } from '../../src/log/matches-until.ts'

const never = 0
const always = Number.POSITIVE_INFINITY
const orders = { exact: ['orders'], patterns: [] }
const direct = { exact: [''], patterns: [] }

test.each<[Wanted, number]>([
  [{}, always],
  [{ before: 'latest' }, always],
  [{ before: 'epoch.2' }, never],
  [{ before: 'earliest' }, never],
  [{ since: 1_000, until: 2_000 }, 2_000],
  [{ since: 2_000, until: 2_000 }, never],
  [{ topics: { exact: [], patterns: [] } }, never],
  [{ topics: orders, kind: 'topic' }, always],
  [{ topics: orders, kind: 'direct' }, never],
  [{ topics: { exact: [], patterns: ['orders.>'] }, kind: 'topic' }, always],
  [{ topics: direct, kind: 'direct' }, always],
  [{ topics: direct, kind: 'topic' }, never],
  [{ topics: orders, to: 'peer' }, never],
  [{ topics: direct, to: 'peer' }, always],
  [{ kind: 'topic', to: 'peer' }, never],
])('what is still to come may match %o until %d', (wanted, until) => {
  expect(matchesUntil(wanted)).toBe(until)
})
