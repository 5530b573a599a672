import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createLogTail } from '../../src/log/tail.ts'
import type { StoredMessage } from '../../src/model/message.ts'
import type { LogStore } from '../../src/store/log-store.ts'
import type { StoreChange } from '../../src/store/store.ts'
import { silentLog } from '../fixtures/log.ts'
import { storedMessage } from '../fixtures/messages.ts'

const limits = { maxReadMessages: 3, maxReadBytes: defaultLimits.maxReadBytes, maxRingMessages: 12 }

/** A tail between a log of the test's and a hub that notes what it is given. */
async function logTail() {
  const there: StoredMessage[] = []
  const reads: Array<Parameters<LogStore['read']>[0]> = []
  const state = {
    shown: [] as number[],
    read: [] as number[],
    pruned: [] as string[],
    deleted: [] as number[],
    forgotten: 0,
    otherLogs: 0,
    restarts: 0,
    isBroken: false,
    /** The end of the log, also when its last messages were pruned. */
    end: 0,
    /** Numbers of messages that are damaged. */
    damaged: [] as number[],
    /** What a read waits for. */
    gate: Promise.resolve() as Promise<unknown>,
  }
  let tip = 0
  let emit: (change: StoreChange) => void = () => undefined
  const parts = createLogTail(
    { limits },
    {
      store: {
        listen(listener) {
          emit = listener
          return () => undefined
        },
        log: {
          async read(query) {
            reads.push(query)
            if (state.isBroken) throw new Error('no database')
            const { after, limit, through = state.end } = query
            const messages = there.filter(({ seq }) => seq > after && seq <= through).slice(0, limit)
            const scanned = messages.length < limit ? Math.max(after, through) : (messages.at(-1)?.seq ?? after)
            await state.gate
            const damaged = state.damaged.filter((seq) => seq > after && seq <= scanned)
            const removed = damaged.map((seq) => ({ seq, id: `${seq}`, topic: 'orders', reason: 'damaged' as const }))
            return { messages, scanned, ...(removed.length === 0 ? {} : { removed }) }
          },
        },
      },
      hub: {
        get tip() {
          return tip
        },
        append(previousTip, messages) {
          tip = Math.max(previousTip, messages.at(-1)?.seq ?? 0)
          state.shown.push(...messages.map(({ seq }) => seq))
        },
        prune: (topic) => void state.pruned.push(topic),
        delete: (seq) => void state.deleted.push(seq),
        forget: () => void state.forgotten++,
        async start() {
          state.restarts++
        },
      },
      logger: silentLog,
    },
  )
  parts.watchRead((messages) => state.read.push(...messages.map(({ seq }) => seq)))
  parts.watchReset(() => state.otherLogs++)
  await parts.start()
  onTestFinished(() => parts.stop())
  const seqs = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
  return {
    state,
    reads,
    seqs,
    tip: () => tip,
    tell: (change: StoreChange) => emit(change),
    /** Another gateway appends. */
    others(from: number, to: number) {
      there.push(...seqs(from, to).map((seq) => storedMessage(seq)))
      state.end = to
    },
    /** This gateway has appended. */
    own(from: number, to: number, previousTip = from - 1) {
      const messages = seqs(from, to).map((seq) => storedMessage(seq))
      there.push(...messages)
      state.end = to
      parts.append(previousTip, messages)
    },
  }
}

test('what this gateway appends is shown at once, and what others have before it comes first', async () => {
  const { state, others, own, seqs } = await logTail()
  own(1, 2)
  expect(state.shown).toEqual([1, 2])
  others(3, 4)
  own(5, 6)
  own(7, 7)
  expect(state.shown).toEqual([1, 2])
  await expect.poll(() => state.shown).toEqual(seqs(1, 7))
  // What was read for the others is not read for our own.
  expect(state.read).toEqual([3, 4])
})

test('a notice brings all that others have appended, step by step, and messages that are known are told once', async () => {
  const { state, others, tell, seqs, tip } = await logTail()
  others(1, 10)
  tell({ kind: 'log' })
  await expect.poll(() => state.shown).toEqual(seqs(1, 10))
  expect(state.read).toEqual(seqs(1, 10))
  // The last ones are pruned before anybody has read them.
  state.end = 12
  tell({ kind: 'everything' })
  await expect.poll(tip).toBe(12)
  expect(state.shown).toEqual(seqs(1, 10))
})

test('a step with damage is left to the store, which tells readers of it', async () => {
  const { state, others, tell, tip } = await logTail()
  others(1, 3)
  state.damaged = [2]
  tell({ kind: 'log' })
  await expect.poll(tip).toBe(3)
  expect([state.shown, state.read]).toEqual([[], [1, 2, 3]])
  others(4, 5)
  tell({ kind: 'log' })
  await expect.poll(() => state.shown).toEqual([4, 5])
})

test('a notice that comes while the end is being read is not forgotten', async () => {
  const { state, others, tell, seqs, reads } = await logTail()
  others(1, 2)
  tell({ kind: 'log' })
  await expect.poll(() => state.shown).toEqual([1, 2])
  const gate = Promise.withResolvers<void>()
  state.gate = gate.promise
  const before = reads.length
  tell({ kind: 'log' })
  await expect.poll(() => reads.length).toBe(before + 1)
  others(3, 3)
  tell({ kind: 'log' })
  gate.resolve()
  await expect.poll(() => state.shown).toEqual(seqs(1, 3))
})

test('a notice that comes just as the end was read is not forgotten', async () => {
  // One of these moments lies between the last step and the end of the reading.
  for (let moment = 0; moment < 30; moment++) {
    const { state, others, tell } = await logTail()
    others(1, 1)
    tell({ kind: 'log' })
    for (let passed = 0; passed < moment; passed++) await Promise.resolve()
    others(2, 2)
    tell({ kind: 'log' })
    await nextTurn()
    expect([moment, state.shown]).toEqual([moment, [1, 2]])
  }
})

test('own batches that wait are shown once, also those that were read with the others', async () => {
  const { state, others, own, seqs } = await logTail()
  const gate = Promise.withResolvers<void>()
  state.gate = gate.promise
  others(1, 1)
  own(2, 3)
  // The rest of the first is known by the time that it is its turn.
  own(3, 4, 2)
  gate.resolve()
  await expect.poll(() => state.shown.length).toBeGreaterThanOrEqual(4)
  await nextTurn()
  expect(state.shown).toEqual(seqs(1, 4))
})

test('a database that can not be read holds up nothing that this gateway has appended', async () => {
  const { state, others, own } = await logTail()
  others(1, 2)
  state.isBroken = true
  own(3, 4)
  await expect.poll(() => state.shown).toEqual([3, 4])
  state.isBroken = false
  own(5, 5)
  expect(state.shown).toEqual([3, 4, 5])
})

test('so many messages of others that the ring would not hold them are left to those who want them', async () => {
  const { state, others, own, reads } = await logTail()
  others(1, 1_000)
  own(1_001, 1_002)
  await expect.poll(() => state.shown.slice(-2)).toEqual([1_001, 1_002])
  expect(reads.length).toBeLessThan(20)
})

test('pruning and deletions elsewhere, lost notices, and another log, are told', async () => {
  const { state, tell } = await logTail()
  tell({ kind: 'pruned', topic: 'orders', through: 1, pruneCount: 1 })
  expect(state.pruned).toEqual(['orders'])
  tell({ kind: 'deleted', seq: 7 })
  expect([state.deleted, state.forgotten]).toEqual([[7], 0])
  tell({ kind: 'everything' })
  expect(state.forgotten).toBe(1)
  tell({ kind: 'epoch' })
  await expect.poll(() => state.otherLogs).toBe(1)
  expect(state.restarts).toBe(1)
})
