import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { SignedMessage } from '../../src/model/signed-message.ts'
import { author, hearing } from './road-for-test.ts'

const patient = { orderWaitMs: 60_000, validateTimeoutMs: 120_000 }

const past = (message: SignedMessage) => ({ message, firstSeenAt: Date.now() - 1_000 })

test('a message is stored after an announced one of its author, whether that comes live or is fetched', async () => {
  const road = await hearing()
  const [one, other] = [await author(), await author()]
  const [first, second, third] = [one.sign('first'), one.sign('second'), one.sign('third')]
  road.announce(first, second)
  const waiting = road.hear(third)
  expect(await road.hear(other.sign('of another author'))).toBe('accept')
  expect(await road.hear(first)).toBe('accept')
  expect(await road.stored()).toEqual(['of another author', 'first'])
  expect(await road.ingest.takePast([past(second)])).toEqual({ stored: 1, known: 0, refused: 0 })
  expect(await waiting).toBe('accept')
  expect(await road.stored()).toEqual(['of another author', 'first', 'second', 'third'])
})

test('a message does not wait for those that are refused', async () => {
  const judges = {
    judge: async ({ data }: SignedMessage) => ({
      verdict: Buffer.from(data).toString() === 'bad' ? ('reject' as const) : ('accept' as const),
      given: true,
    }),
  }
  const road = await hearing({ judges, limits: patient })
  const { sign } = await author()
  const [bad, alsoBad, good] = [sign('bad'), sign('bad'), sign('good')]
  road.announce(bad, alsoBad)
  const waiting = road.hear(good)
  expect(await road.hear(bad)).toBe('reject')
  expect(await road.ingest.takePast([past(alsoBad)])).toEqual({ stored: 0, known: 0, refused: 1 })
  expect(await waiting).toBe('accept')
  expect(await road.stored()).toEqual(['good'])
})

test('a message does not wait for ever for one that is never sent', async () => {
  const road = await hearing({ limits: { orderWaitMs: 300 } })
  const { sign } = await author()
  road.announce(sign('never sent'))
  expect(await road.hear(sign('last'))).toBe('accept')
  expect(await road.stored()).toEqual(['last'])
})

test('a fetched message is stored after an announced one of its author', async () => {
  const road = await hearing({ limits: patient })
  const { sign } = await author()
  const [first, second] = [sign('first'), sign('second')]
  road.announce(first)
  const fetched = road.ingest.takePast([past(second)])
  expect(await road.hear((await author()).sign('of another author'))).toBe('accept')
  expect(await road.hear(first)).toBe('accept')
  expect(await fetched).toEqual({ stored: 1, known: 0, refused: 0 })
  expect(await road.stored()).toEqual(['of another author', 'first', 'second'])
})

test('live messages are stored after what is fetched while they are held', async () => {
  const road = await hearing()
  const { sign } = await author()
  const [first, second, third] = [sign('first'), sign('second'), sign('third')]
  const hold = road.ingest.order.holdLive()
  const waiting = [road.hear(third), road.hear(second)]
  await road.ingest.takePast([past(first)])
  hold[Symbol.dispose]()
  expect(await Promise.all(waiting)).toEqual(['accept', 'accept'])
  expect(await road.stored()).toEqual(['first', 'second', 'third'])
})

test('messages that two peers have kept are stored in the order of each author, and do not wait for each other', async () => {
  const road = await hearing({ limits: patient })
  const [one, other] = [await author(), await author()]
  const [a1, a2, b1, b2] = [one.sign('a1'), one.sign('a2'), other.sign('b1'), other.sign('b2')]
  road.announce(a1, a2, b1, b2)
  await Promise.all([road.ingest.takePast([past(a2), past(b1)]), road.ingest.takePast([past(b2), past(a1)])])
  expect((await road.stored()).toSorted()).toEqual(['a1', 'a2', 'b1', 'b2'])
  const stored = await road.stored()
  expect([stored.indexOf('a1') < stored.indexOf('a2'), stored.indexOf('b1') < stored.indexOf('b2')]).toEqual([true, true])
})

test('at the end messages that wait for others are stored, in order and before the end', async () => {
  const road = await hearing({ limits: patient })
  const { sign } = await author()
  const [first, second, third, fourth] = [sign('never sent'), sign('second'), sign('third'), sign('fourth')]
  road.announce(first)
  const waiting = [road.hear(fourth), road.hear(second)]
  const fetching = road.ingest.takePast([past(third)])
  await nextTurn()
  await road.ingest.stop()
  expect((await road.stored()).slice(0, 2)).toEqual(['second', 'fourth'])
  expect((await road.stored()).toSorted()).toEqual(['fourth', 'second', 'third'])
  expect(await Promise.all(waiting)).toEqual(['accept', 'accept'])
  expect(await fetching).toEqual({ stored: 1, known: 0, refused: 0 })
  expect(await road.hear(sign('too late'))).toBe('ignore')
})

test('at the end a message that is being judged is stored', async () => {
  const given = Promise.withResolvers<{ verdict: 'accept'; given: true }>()
  const road = await hearing({ judges: { judge: () => given.promise } })
  const { sign } = await author()
  const waiting = road.hear(sign('last'))
  const stopped = road.ingest.stop()
  given.resolve({ verdict: 'accept', given: true })
  await stopped
  expect(await waiting).toBe('accept')
  expect(await road.stored()).toEqual(['last'])
})
