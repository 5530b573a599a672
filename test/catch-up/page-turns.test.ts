import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createPageTurns, type ListedPage, type PagesOfLog } from '../../src/catch-up/page-turns.ts'
import { firstDrawn, messageId, sequenceBytes } from '../../src/model/signed-message.ts'
import { someAuthor } from '../fixtures/messages.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const another = '12D3KooWJn7Mcwy7cM75iaFmhCRFgmGA4V1zJg7WLTgWWjLT4jaa'

/** A message that was received first at this time, and has it for a number. */
const seen = (at: number, author = someAuthor) => ({ id: messageId(author, sequenceBytes(BigInt(at))), firstSeenAt: at })

const pageOf = (times: number[], more: Partial<ListedPage> = {}): ListedPage => ({
  missing: times.map((at) => seen(at)),
  until: Math.max(...times),
  hasNext: true,
  ...more,
})

/** Whether messages wait for their turn, and until when. */
function ask(log: PagesOfLog, ...messages: Array<ReturnType<typeof seen>>) {
  const state = { waits: true }
  const turn = log.turn(messages)
  if (turn === undefined) state.waits = false
  else void turn.then(() => (state.waits = false))
  return { state, settled: async () => void (await vi.advanceTimersByTimeAsync(0)) }
}

test('messages wait until the log of another peer that gave earlier ones of their author has listed as far', async () => {
  const turns = createPageTurns({ maxMs: 1_000 })
  const [early, late] = [turns.reading(), turns.reading()]
  early.listed(pageOf([1, 2]))
  late.listed(pageOf([5, 6]))
  const { state, settled } = ask(late, seen(5), seen(6))
  expect(early.turn([seen(1), seen(2)])).toBeUndefined()
  early.listed(pageOf([3, 4]))
  await settled()
  expect(state.waits).toBe(true)
  early.listed(pageOf([7, 8]))
  await settled()
  expect(state.waits).toBe(false)
})

test.each<[string, (early: PagesOfLog) => void]>([
  ['has no further page', (early) => early.listed(pageOf([3, 4], { hasNext: false }))],
  ['is read no longer', (early) => early[Symbol.dispose]()],
  ['gives nothing of the author any longer', (early) => early.listed(pageOf([3], { missing: [seen(3, another)] }))],
  ['gives nothing that is missing here', (early) => early.listed(pageOf([3], { missing: [] }))],
])('messages do not wait for a log that %s', async (_, change) => {
  const turns = createPageTurns({ maxMs: 1_000 })
  const [early, late] = [turns.reading(), turns.reading()]
  early.listed(pageOf([1, 2]))
  const { state, settled } = ask(late, seen(5))
  expect(state.waits).toBe(true)
  change(early)
  await settled()
  expect(state.waits).toBe(false)
  expect(late.turn([seen(5)])).toBeUndefined()
})

test('messages do not wait for their own log, for those of other authors, or for one whose page reaches beyond them', () => {
  const turns = createPageTurns({ maxMs: 1_000 })
  const [early, late] = [turns.reading(), turns.reading()]
  early.listed(pageOf([1, 5]))
  late.listed(pageOf([1]))
  expect(late.turn([seen(9, another)])).toBeUndefined()
  expect(late.turn([seen(5), seen(6)])).toBeUndefined()
  // A page of nothing but what is here, or of other topics, says nothing of the time.
  early.listed({ missing: [seen(5)], until: Number.NEGATIVE_INFINITY, hasNext: true })
  expect(late.turn([seen(5)])).toBeUndefined()
  late[Symbol.dispose]()
  expect(early.turn([seen(9)])).toBeUndefined()
})

test('an author that draws its numbers at random is not waited for', () => {
  const turns = createPageTurns({ maxMs: 1_000 })
  const [early, late] = [turns.reading(), turns.reading()]
  const drawn = (at: number) => ({ id: messageId(someAuthor, sequenceBytes(firstDrawn + BigInt(at))), firstSeenAt: at })
  early.listed({ missing: [drawn(1)], until: 1, hasNext: true })
  expect(late.turn([drawn(2)])).toBeUndefined()
})

test('two logs that wait for each other’s authors do not hold each other up', async () => {
  const turns = createPageTurns({ maxMs: 1_000 })
  const [one, other] = [turns.reading(), turns.reading()]
  one.listed(pageOf([1, 3]))
  other.listed(pageOf([2, 4]))
  expect(one.turn([seen(1), seen(3)])).toBeUndefined()
  expect(other.turn([seen(2), seen(4)])).toBeUndefined()
})

test('a log that is given slowly is waited for once in ten minutes, for the time that is allowed', async () => {
  const turns = createPageTurns({ maxMs: 1_000 })
  const [slow, late, later] = [turns.reading(), turns.reading(), turns.reading()]
  slow.listed(pageOf([1]))
  const [first, second] = [ask(late, seen(5)), ask(later, seen(6))]
  await vi.advanceTimersByTimeAsync(999)
  expect([first.state.waits, second.state.waits]).toEqual([true, true])
  await vi.advanceTimersByTimeAsync(1)
  expect([first.state.waits, second.state.waits]).toEqual([false, false])
  await vi.advanceTimersByTimeAsync(599_000)
  expect(late.turn([seen(7)])).toBeUndefined()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(late.turn([seen(7)])).toBeInstanceOf(Promise)
})
