import { expect, test } from 'vitest'
import { createConsumerSteps } from '../../src/store/shared/consumer-steps.ts'
import { type Sql, type SqlRow, type Steps, sql } from '../../src/store/shared/sql.ts'

/** Steps on a database whose statements are answered with these numbers of rows, one after another. */
function steps(...counts: number[]) {
  const ran: Sql[] = []
  let turns = 0
  let seq = 0
  const run = async <Result>(statements: Steps<Result>): Promise<Result> => {
    setImmediate(() => turns++)
    const first = statements.next()
    if (first.done === true) return first.value
    ran.push(first.value)
    const rows: SqlRow[] = Array.from({ length: counts.shift() ?? 0 }, () => [++seq])
    const last = statements.next(rows)
    if (last.done !== true) throw new Error('there is another statement')
    return last.value
  }
  return { ran, turns: () => turns, ...createConsumerSteps({ never: 99, amongOrAll: () => sql`true` }, { run }) }
}

test('parked items are replayed a thousand at a time, from the last one on, and other work runs in between', async () => {
  const { replay, ran, turns } = steps(1_000, 1_000, 10)
  expect(await replay({ name: 'c', now: 1 })).toBe(2_010)
  expect(ran.map(({ texts, values }) => values[texts.findIndex((text) => text.endsWith('"seq" > '))])).toEqual([-1, 1_000, 2_000])
  expect(ran.every(({ texts, values }) => values[texts.findIndex((text) => text.endsWith(' LIMIT '))] === 1_000)).toBe(true)
  expect(turns()).toBeGreaterThanOrEqual(2)
})

test('a consumer is removed before its items, which are removed a thousand at a time', async () => {
  const { remove, ran, turns } = steps(1, 1_000, 1_000, 0)
  expect(await remove('c')).toBe(true)
  expect(ran.map(({ texts }) => /FROM "(\w+)"/.exec(texts.join('?'))?.[1])).toEqual(['Consumer', ...Array(3).fill('ConsumerItem')])
  expect(turns()).toBeGreaterThanOrEqual(3)
})
