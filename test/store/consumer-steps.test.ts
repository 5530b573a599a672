import { expect, test } from 'vitest'
import { createConsumerSteps } from '../../src/store/shared/consumer-steps.ts'
import { type Sql, type SqlRow, type Steps, sql } from '../../src/store/shared/sql.ts'

function* noteGap(name: string): Steps<void> {
  yield sql`UPDATE "Consumer" SET "gaps" = "gaps" + 1 WHERE "name" = ${name}`
}

/** Steps on a database whose statements are answered with these numbers of rows, one after another. */
function steps(...counts: number[]) {
  const ran: Sql[] = []
  let turns = 0
  let seq = 0
  const run = async <Result>(statements: Steps<Result>): Promise<Result> => {
    setImmediate(() => turns++)
    let step = statements.next()
    while (step.done !== true) {
      ran.push(step.value)
      step = statements.next(Array.from({ length: counts.shift() ?? 0 }, (): SqlRow => [++seq]))
    }
    return step.value
  }
  return { ran, turns: () => turns, ...createConsumerSteps({ never: 99, amongOrAll: () => sql`true`, noteGap }, { run }) }
}

test('parked items are replayed a thousand at a time, from the last one on, and other work runs in between', async () => {
  const { replay, ran, turns } = steps(1_000, 1_000, 10)
  expect(await replay({ name: 'c' })).toBe(2_010)
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

test('items of pruned messages are removed a thousand at a time, and their gap is noted once', async () => {
  const { loseThrough, ran, turns } = steps(1, 0, 1_000, 1_000, 1)
  await loseThrough('c', 5_000)
  expect(ran.map(({ texts }) => texts.join('?').split(' ')[0])).toEqual(['SELECT', 'UPDATE', 'DELETE', 'DELETE', 'DELETE'])
  expect(ran.slice(2).every(({ texts, values }) => values[texts.findIndex((text) => text.endsWith(' LIMIT '))] === 1_000)).toBe(true)
  expect(turns()).toBeGreaterThanOrEqual(2)
})
