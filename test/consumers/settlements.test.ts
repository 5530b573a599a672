import { expect, test } from 'vitest'
import { createSettlements } from '../../src/consumers/settlements.ts'
import type { ItemVerdict, SettleQuery } from '../../src/store/consumer-store.ts'

const acks = (...ids: string[]): ItemVerdict[] => ids.map((id) => ({ id, verdict: 'ack' }))
const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Settlements whose commits end when they are told to. */
function held() {
  const commits: Array<{ ids: string[]; done: PromiseWithResolvers<boolean[] | undefined> }> = []
  const settle = ({ verdicts }: SettleQuery) => {
    const done = Promise.withResolvers<boolean[] | undefined>()
    commits.push({ ids: verdicts.map(({ id }) => id), done })
    return done.promise
  }
  return { commits, settlements: createSettlements({ name: 'c', createdAt: 1 }, { store: { settle } }) }
}

test('verdicts of one turn, and those that come during a commit, share a commit; each is told its own, once it is durable', async () => {
  const { commits, settlements } = held()
  const told: unknown[] = []
  const first = [settlements.settle(acks('1', '2')), settlements.settle(acks('3'))]
  for (const each of first) void each.then((settled) => told.push(settled))
  await turn()
  expect([commits.map(({ ids }) => ids), told]).toEqual([[['1', '2', '3']], []])
  const later = [settlements.settle(acks('3')), settlements.settle(acks('4'))]
  commits[0]?.done.resolve([true, false, true])
  expect(await Promise.all(first)).toEqual([[true, false], [true]])
  await turn()
  expect(commits[1]?.ids).toEqual(['3', '4'])
  commits[1]?.done.resolve([false, true])
  expect(await Promise.all(later)).toEqual([[false], [true]])
})

test('a commit that failed is told to all whose verdicts it had, and the next ones are carried out', async () => {
  const { commits, settlements } = held()
  const failed = Promise.allSettled([settlements.settle(acks('1')), settlements.settle(acks('2'))])
  await turn()
  commits[0]?.done.reject(new Error('the disk is full'))
  expect((await failed).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  const next = settlements.settle(acks('1'))
  await turn()
  commits[1]?.done.resolve([true])
  expect(await next).toEqual([true])
})

test('all whose consumer is gone are told', async () => {
  const { commits, settlements } = held()
  const waiting = [settlements.settle(acks('1')), settlements.settle(acks('2'))]
  await turn()
  commits[0]?.done.resolve(undefined)
  expect(await Promise.all(waiting)).toEqual([undefined, undefined])
})

test('a commit has at most 1,000 verdicts, if no request alone has more', async () => {
  const { commits, settlements } = held()
  const many = (count: number) => acks(...Array.from({ length: count }, (_, index) => String(index)))
  for (const count of [600, 400, 1, 1_200]) void settlements.settle(many(count))
  for (const index of [0, 1, 2]) {
    await turn()
    commits[index]?.done.resolve([])
  }
  expect(commits.map(({ ids }) => ids.length)).toEqual([1_000, 1, 1_200])
})
