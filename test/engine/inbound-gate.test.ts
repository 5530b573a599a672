import { expect, onTestFinished, test, vi } from 'vitest'
import type { Inbound } from '../../src/engine/engine.ts'
import { createInboundBudget } from '../../src/engine/inbound-budget.ts'
import { createInboundGate } from '../../src/engine/inbound-gate.ts'
import type { SignedMessage } from '../../src/model/signed-message.ts'
import type { Verdict } from '../../src/model/verdict.ts'
import { silentLog } from '../fixtures/log.ts'
import { storedMessage } from '../fixtures/messages.ts'

const us = '12D3KooWBhV2jAUWCKRCV2CfkrRQAPfaE9ttLxpcBhZMfEQfMLh2'
const limits = { maxMessageBytes: 1_000, maxInboxBytes: 10_000, maxTopicInboxBytes: 5_000, validateTimeoutMs: 60_000 }
/** What a message costs while it waits, beside its data. */
const overhead = 512

/** Answers each message with the verdict that the test gives it, unless the test has a receiver of its own. */
function gate(own: Partial<typeof limits> = {}, inbound?: Inbound | null) {
  const waiting: Array<PromiseWithResolvers<Verdict>> = []
  const onMessage = () => {
    waiting.push(Promise.withResolvers<Verdict>())
    return waiting.at(-1)?.promise ?? Promise.resolve('ignore' as const)
  }
  const handler = inbound === null ? undefined : (inbound ?? { onMessage })
  const all = { ...limits, ...own }
  const budget = createInboundBudget({ limits: all })
  const parts = createInboundGate(
    { limits: all, peerId: us },
    { budget, inbound: () => handler, topics: new Set(['orders', 'news']), logger: silentLog },
  )
  async function judge(message: SignedMessage): Promise<Verdict | 'no room'> {
    using counted = budget.enter(message.data.length, () => undefined)
    return counted === undefined ? 'no room' : await parts.judge(message, counted)
  }
  return { judge, dropped: () => parts.dropped, waiting }
}

const message = (seq: number, topic = 'orders', bytes = 10) => storedMessage(seq, topic, new Uint8Array(bytes))

test('our own messages never come back from the network', async () => {
  const { judge, waiting } = gate()
  expect(await judge({ ...message(1), from: us })).toBe('ignore')
  void judge(message(1))
  expect(waiting).toHaveLength(1)
})

test('messages of topics that are not subscribed, and larger ones than are taken, are not asked about', async () => {
  const { judge, dropped, waiting } = gate()
  expect(await judge(message(1, 'another'))).toBe('ignore')
  expect(await judge(message(2, 'orders', 1_001))).toBe('ignore')
  expect(waiting).toHaveLength(0)
  void judge(message(3, 'orders', 1_000))
  expect(waiting).toHaveLength(1)
  expect(dropped()).toBe(0)
})

test('a message that finds no room is not asked about until another has its verdict', async () => {
  const { judge, dropped, waiting } = gate({ maxTopicInboxBytes: 2 * (10 + overhead) })
  const [first, second] = [judge(message(1)), judge(message(2))]
  expect(await judge(message(3))).toBe('ignore')
  expect([waiting.length, dropped()]).toEqual([2, 1])
  waiting[0]?.resolve('accept')
  expect(await first).toBe('accept')
  const fourth = judge(message(4))
  waiting[1]?.resolve('reject')
  waiting[2]?.resolve('accept')
  expect(await Promise.all([second, fourth])).toEqual(['reject', 'accept'])
})

test('a late answer is ignored, and the message is held until it is there', async () => {
  const { judge, dropped, waiting } = gate({ validateTimeoutMs: 20, maxTopicInboxBytes: 10 + overhead })
  expect(await judge(message(1))).toBe('ignore')
  expect(dropped()).toBe(1)
  expect(await judge(message(2))).toBe('ignore')
  expect(waiting).toHaveLength(1)
  waiting[0]?.resolve('accept')
  await expect
    .poll(() => {
      void judge(message(3))
      return waiting.length
    })
    .toBe(2)
})

test('an answer is not late while the receiver holds the message for earlier ones of its author', async () => {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const held = new Set<SignedMessage>()
  const answers = [Promise.withResolvers<Verdict>(), Promise.withResolvers<Verdict>()]
  const [first, second] = [message(1), message(2)]
  held.add(first)
  const inbound = {
    onMessage: ({ sequence }: SignedMessage) => answers[sequence === first.sequence ? 0 : 1]?.promise ?? Promise.resolve('ignore' as const),
    isHeld: (one: SignedMessage) => held.has(one),
  }
  const { judge, dropped } = gate({}, inbound)
  const verdicts = [judge(first), judge(second)]
  await vi.advanceTimersByTimeAsync(2.5 * limits.validateTimeoutMs)
  expect([await verdicts[1], dropped()]).toEqual(['ignore', 1])
  answers[0]?.resolve('accept')
  expect(await verdicts[0]).toBe('accept')
  // Let go, and not stored in time.
  const third = judge(first)
  answers[0] = Promise.withResolvers<Verdict>()
  const fourth = judge(first)
  expect(await third).toBe('accept')
  await vi.advanceTimersByTimeAsync(1.5 * limits.validateTimeoutMs)
  held.clear()
  await vi.advanceTimersByTimeAsync(limits.validateTimeoutMs)
  expect([await fourth, dropped()]).toEqual(['ignore', 2])
})

test('nothing is accepted by a receiver that fails, nor before there is one', async () => {
  const failing = { onMessage: () => Promise.reject(new Error('no database')) }
  expect(await gate({}, failing).judge(message(1))).toBe('ignore')
  expect(await gate({}, null).judge(message(1))).toBe('ignore')
})
