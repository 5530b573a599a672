import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { messageId, type SignedMessage } from '../../src/model/signed-message.ts'
import { author, gatedLog, hearing } from './road-for-test.ts'

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
  expect([first, third].map((message) => road.isHeld(message))).toEqual([false, true])
  expect(await road.ingest.takePast([past(second)])).toEqual({ stored: 1, known: 0, refused: 0 })
  expect(await waiting).toBe('accept')
  expect(await road.stored()).toEqual(['of another author', 'first', 'second', 'third'])
})

test('a message is not late while it waits for the database', async () => {
  const gated = gatedLog()
  const road = await hearing({ wrapLog: gated.wrap })
  const message = (await author()).sign('first')
  const verdict = road.hear(message)
  await expect.poll(() => gated.gates.length).toBe(1)
  expect(road.isHeld(message)).toBe(true)
  gated.gates[0]?.resolve()
  expect([await verdict, road.isHeld(message)]).toEqual(['accept', false])
})

test('a message that is being judged may be late', async () => {
  const judging = Promise.withResolvers<void>()
  const judges = { judge: () => judging.promise.then(() => ({ verdict: 'accept' as const, given: true })) }
  const road = await hearing({ judges })
  const message = (await author()).sign('first')
  const verdict = road.hear(message)
  await nextTurn()
  expect(road.isHeld(message)).toBe(false)
  judging.resolve()
  expect(await verdict).toBe('accept')
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

test('a fetched message is stored in its turn, whatever others of its page wait for', async () => {
  const road = await hearing({ limits: patient })
  const [one, other] = [await author(), await author()]
  const [a1, a2, a3, a4, a5] = ['a1', 'a2', 'a3', 'a4', 'a5'].map((text) => one.sign(text))
  const [b1, b2] = ['b1', 'b2'].map((text) => other.sign(text))
  if (
    a1 === undefined ||
    a2 === undefined ||
    a3 === undefined ||
    a4 === undefined ||
    a5 === undefined ||
    b1 === undefined ||
    b2 === undefined
  )
    throw new Error('not signed')
  road.announce(a1, a4, b1)
  const fetched = road.ingest.takePast([past(a2), past(a5), past(b2)])
  const live = road.hear(a3)
  await nextTurn()
  expect(await road.hear(a1)).toBe('accept')
  expect(await live).toBe('accept')
  expect(await road.stored()).toEqual(['a1', 'a2', 'a3'])
  await road.hear(a4)
  await road.hear(b1)
  expect(await fetched).toEqual({ stored: 3, known: 0, refused: 0 })
  expect((await road.stored()).slice(3)).toEqual(['a4', 'a5', 'b1', 'b2'])
})

test('a fetched message whose turn comes while others of its page are being stored is not stored after a live one', async () => {
  const gated = gatedLog()
  const road = await hearing({ limits: patient, wrapLog: gated.wrap })
  const [one, other] = [await author(), await author()]
  const [a1, a2, a3, b1] = [one.sign('a1'), one.sign('a2'), one.sign('a3'), other.sign('b1')]
  road.announce(a1)
  const live = [road.hear(a3), road.hear(a1)]
  await expect.poll(() => gated.gates.length).toBe(1)
  const fetched = road.ingest.takePast([past(a2), past(b1)])
  await expect.poll(() => road.ingest.backlog.messages).toBe(1)
  await expect
    .poll(() => {
      for (const gate of gated.gates) gate.resolve()
      return road.stored()
    })
    .toHaveLength(4)
  await Promise.all([fetched, ...live])
  expect((await road.stored()).filter((text) => text !== 'b1')).toEqual(['a1', 'a2', 'a3'])
})

test('at the end live messages that wait for others are stored, in order and before the end; fetched ones are not', async () => {
  const road = await hearing({ limits: patient })
  const { sign } = await author()
  const [first, second, third, fourth] = [sign('never sent'), sign('second'), sign('third'), sign('fourth')]
  road.announce(first)
  const waiting = [road.hear(fourth), road.hear(second)]
  const fetching = road.ingest.takePast([past(third)])
  await nextTurn()
  await road.ingest.stop()
  expect(await road.stored()).toEqual(['second', 'fourth'])
  expect(await Promise.all(waiting)).toEqual(['accept', 'accept'])
  expect(await fetching).toBeUndefined()
  expect(await road.hear(sign('too late'))).toBe('ignore')
})

test('once messages wait for no others any longer, fetched ones are not stored: they may come before earlier ones', async () => {
  const road = await hearing()
  road.ingest.letGo()
  expect(await road.ingest.takePast([past((await author()).sign('fetched'))])).toBeUndefined()
  expect(await road.stored()).toEqual([])
})

test('settle: it is over when no message waits, or the time is', async () => {
  const road = await hearing({ limits: patient })
  await road.ingest.settle(600_000)
  const { sign } = await author()
  const [first, second] = [sign('first'), sign('second')]
  road.announce(first)
  const waiting = road.hear(second)
  await nextTurn()
  await road.ingest.settle(1)
  expect(road.isHeld(second)).toBe(true)
  let isSettled = false
  const settled = road.ingest.settle(600_000).then(() => {
    isSettled = true
  })
  await nextTurn()
  expect(isSettled).toBe(false)
  expect(await road.hear(first)).toBe('accept')
  await settled
  expect(await waiting).toBe('accept')
  expect(await road.stored()).toEqual(['first', 'second'])
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

function isLetIn({ ingest }: Awaited<ReturnType<typeof hearing>>, ids: Set<string>): boolean {
  using here = ingest.letIn(ids)
  return here.messages.size > 0
}

/** A validator that notes what it is asked, and takes its time. */
function counting() {
  const judged: string[] = []
  const judges = {
    async judge({ data }: SignedMessage) {
      judged.push(Buffer.from(data).toString())
      await nextTurn()
      return { verdict: 'accept', given: true } as const
    },
  }
  return { judged, judges }
}

test('a held message that a page brings as well is judged once, costs its author once, and is handed on', async () => {
  const { judged, judges } = counting()
  const road = await hearing({ judges, limits: { ...patient, maxAuthorBytesPerHour: 20 } })
  const { sign } = await author()
  const [first, second, third, fourth] = [sign('012345'), sign('6789ab'), sign('cdefgh'), sign('ijk')]
  const hold = road.ingest.order.holdLive()
  const waiting = road.hear(second)
  const ids = new Set([first, second].map(({ from, sequence }) => messageId(from, sequence)))
  await expect.poll(() => isLetIn(road, ids)).toBe(true)
  {
    using here = road.ingest.letIn(ids)
    expect([...here.messages.values()]).toEqual([second])
    expect(await road.ingest.takePast([past(first), past(second)])).toEqual({ stored: 2, known: 0, refused: 0 })
  }
  hold[Symbol.dispose]()
  expect(await waiting).toBe('accept')
  expect(isLetIn(road, ids)).toBe(false)
  expect(judged).toEqual(['6789ab', '012345'])
  // Twelve of its twenty bytes are taken.
  expect([await road.hear(third), await road.hear(fourth)]).toEqual(['accept', 'ignore'])
  expect(await road.stored()).toEqual(['012345', '6789ab', 'cdefgh'])
})

test('a held message that is let go while a page with it is fetched is judged once', async () => {
  const { judged, judges } = counting()
  const road = await hearing({ judges, limits: { ...patient, maxAuthorBytesPerHour: 10 } })
  const { sign } = await author()
  const [message, next] = [sign('0123456789'), sign('x')]
  const hold = road.ingest.order.holdLive()
  const waiting = road.hear(message)
  const ids = new Set([messageId(message.from, message.sequence)])
  await expect.poll(() => isLetIn(road, ids)).toBe(true)
  {
    using here = road.ingest.letIn(ids)
    hold[Symbol.dispose]()
    expect(await waiting).toBe('accept')
    expect(here.messages.size).toBe(1)
    expect(await road.ingest.takePast([past(message)])).toEqual({ stored: 0, known: 1, refused: 0 })
  }
  expect(await road.hear(next)).toBe('ignore')
  expect([judged, await road.stored()]).toEqual([['0123456789'], ['0123456789']])
})

test('a message that two peers have kept is judged once, and costs its author nothing when it is known', async () => {
  const { judged, judges } = counting()
  const road = await hearing({ judges, limits: { maxAuthorBytesPerHour: 14 } })
  const { sign } = await author()
  const [message, next] = [sign('0123456'), sign('789abcd')]
  const outcomes = await Promise.all([road.ingest.takePast([past(message)]), road.ingest.takePast([past(message)])])
  expect(outcomes.map((outcome) => outcome?.stored).toSorted()).toEqual([0, 1])
  expect(judged).toEqual(['0123456'])
  expect(isLetIn(road, new Set([messageId(message.from, message.sequence)]))).toBe(false)
  expect(await road.ingest.takePast([past(message)])).toEqual({ stored: 0, known: 1, refused: 0 })
  expect([await road.hear(next), await road.hear(sign('x'))]).toEqual(['accept', 'ignore'])
})

test('a message that is refused while copies of it come is judged once, and another under its id by itself', async () => {
  const judged: string[] = []
  const judges = {
    async judge({ data }: SignedMessage) {
      judged.push(Buffer.from(data).toString())
      await nextTurn()
      return { verdict: 'reject', given: false } as const
    },
  }
  const road = await hearing({ judges, limits: { maxAuthorBytesPerHour: 10 } })
  const { sign } = await author()
  const message = sign('0123456789')
  const copies = [road.hear(message), road.ingest.takePast([past(message)])]
  expect(await Promise.all(copies)).toEqual(['reject', { stored: 0, known: 0, refused: 1 }])
  const other = { ...message, data: Buffer.from('other'), signature: Buffer.alloc(64) }
  expect(await Promise.all([road.hear(message), road.hear(other)])).toEqual(['reject', 'ignore'])
  expect(judged).toEqual(['0123456789', '0123456789'])
})

/** A road whose first append waits, so that what comes meanwhile is appended together. */
async function gathering() {
  const [begun, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const road = await hearing({
    wrapLog: (log) => ({
      ...log,
      async append(...batch) {
        begun.resolve()
        await open.promise
        return await log.append(...batch)
      },
    }),
  })
  const first = road.hear((await author()).sign('at first'))
  await begun.promise
  return {
    ...road,
    async append() {
      open.resolve()
      await first
    },
  }
}

test('messages that are appended together come in the order of each author, and each has its own outcome', async () => {
  const road = await gathering()
  const [one, other] = [await author(), await author()]
  const [a1, a2, a3, a4] = [one.sign('a1'), one.sign('a2'), one.sign('a3'), one.sign('a4')]
  const b1 = other.sign('b1')
  const heard = [road.hear(a4), road.hear(b1)]
  const fetched = road.ingest.takePast([past(a2), past(a3), past(b1)])
  await nextTurn()
  heard.push(road.hear(a1), road.hear(b1))
  await nextTurn()
  await road.append()
  expect(await Promise.all(heard)).toEqual(['accept', 'accept', 'accept', 'accept'])
  expect(await fetched).toEqual({ stored: 2, known: 1, refused: 0 })
  expect(await road.stored()).toEqual(['at first', 'a1', 'b1', 'a2', 'a3', 'a4'])
  // What was live is not forwarded again, what was fetched is.
  expect(await Promise.all([a1, a2, a3, a4].map(road.hear))).toEqual(['ignore', 'accept', 'accept', 'ignore'])
})

test('own messages that are appended together with others keep their places, as their keys name them', async () => {
  const road = await gathering()
  const { sign } = await author()
  const [first, second] = [sign('first'), sign('second')]
  const heard = [road.hear(second)]
  await nextTurn()
  const { published } = road.ingest.publish([{ topic: 'orders', data: Buffer.from('own') }], {
    client: 'someone',
    key: { key: 'key', fingerprint: Buffer.from('one') },
  })
  heard.push(road.hear(first))
  await nextTurn()
  await road.append()
  expect(await Promise.all(heard)).toEqual(['accept', 'accept'])
  const [item] = await published
  expect(await road.stored()).toEqual(['at first', 'first', 'own', 'second'])
  expect(String(Buffer.from((await road.store.log.get(item?.id ?? ''))?.data ?? []))).toBe('own')
})
