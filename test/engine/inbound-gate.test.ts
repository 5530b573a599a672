import { expect, test } from 'vitest'
import type { Inbound } from '../../src/engine/engine.ts'
import { createInboundGate } from '../../src/engine/inbound-gate.ts'
import type { Verdict } from '../../src/model/verdict.ts'
import { silentLog } from '../fixtures/log.ts'
import { someAuthor, storedMessage } from '../fixtures/messages.ts'

const us = '12D3KooWBhV2jAUWCKRCV2CfkrRQAPfaE9ttLxpcBhZMfEQfMLh2'
const limits = { maxMessageBytes: 1_000, maxInboxBytes: 10_000, maxTopicInboxBytes: 5_000, validateTimeoutMs: 60_000 }
/** What a message costs while it waits, beside its data. */
const overhead = 512

function gate(own: Partial<typeof limits> = {}, inbound?: Inbound | null) {
  const waiting: Array<PromiseWithResolvers<Verdict>> = []
  const onMessage = () => {
    waiting.push(Promise.withResolvers<Verdict>())
    return waiting.at(-1)?.promise ?? Promise.resolve('ignore' as const)
  }
  const handler = inbound === null ? undefined : (inbound ?? { onMessage })
  const parts = createInboundGate(
    { limits: { ...limits, ...own }, peerId: us },
    { inbound: () => handler, topics: new Set(['orders', 'news']), logger: silentLog },
  )
  return { ...parts, dropped: () => parts.dropped, waiting }
}

const offer = (more: { from?: string; topic?: string; bytes?: number } = {}) => ({
  from: more.from ?? someAuthor,
  topic: more.topic ?? 'orders',
  data: new Uint8Array(more.bytes ?? 10),
})

test('our own messages never come back from the network', () => {
  expect(gate().admits(offer())).toBe(true)
  expect(gate().admits(offer({ from: us }))).toBe(false)
})

test('messages of topics that are not subscribed, and larger ones than are taken, are not asked about', () => {
  const { admits, dropped } = gate()
  expect(admits(offer({ topic: 'another' }))).toBe(false)
  expect(admits(offer({ bytes: 1_000 }))).toBe(true)
  expect(admits(offer({ bytes: 1_001 }))).toBe(false)
  expect(dropped()).toBe(0)
})

test('maxTopicInboxBytes: what waits of one topic leaves room for the others', async () => {
  const { admits, judge, dropped, waiting } = gate({ maxTopicInboxBytes: 2 * (10 + overhead) })
  const [first, second] = [1, 2].map((seq) => judge(storedMessage(seq, 'orders', new Uint8Array(10))))
  expect(admits(offer())).toBe(false)
  expect(dropped()).toBe(1)
  expect(admits(offer({ topic: 'news' }))).toBe(true)
  waiting[0]?.resolve('accept')
  expect(await first).toBe('accept')
  expect(admits(offer())).toBe(true)
  expect(admits(offer({ bytes: 11 }))).toBe(false)
  waiting[1]?.resolve('reject')
  expect(await second).toBe('reject')
})

test('maxInboxBytes: what waits of all topics has a bound of its own', async () => {
  const { admits, judge, dropped, waiting } = gate({ maxInboxBytes: 2 * (10 + overhead) })
  const judged = [judge(storedMessage(1, 'orders', new Uint8Array(10))), judge(storedMessage(2, 'news', new Uint8Array(10)))]
  expect(admits(offer())).toBe(false)
  expect(admits(offer({ topic: 'news', bytes: 0 }))).toBe(false)
  expect(dropped()).toBe(2)
  for (const each of waiting) each.resolve('accept')
  await Promise.all(judged)
  expect(admits(offer())).toBe(true)
})

test('the messages of one author that wait have a quarter of the room while others have any, and one message however large it is', async () => {
  const size = 10 + overhead
  const { admits, judge, dropped } = gate({ maxInboxBytes: 16 * size, maxTopicInboxBytes: 16 * size })
  const other = { ...storedMessage(1, 'orders', new Uint8Array(10)), from: us.replace('W', 'X') }
  void judge(other)
  for (let seq = 2; seq <= 5; seq++) {
    expect(admits(offer())).toBe(true)
    void judge(storedMessage(seq, 'orders', new Uint8Array(10)))
  }
  expect(admits(offer())).toBe(false)
  expect(dropped()).toBe(1)
  expect(admits(offer({ from: other.from }))).toBe(true)
  expect(gate({ maxInboxBytes: size }).admits(offer())).toBe(true)
})

test('a late answer is ignored, and the message is held until it is there', async () => {
  const { admits, judge, dropped, waiting } = gate({ validateTimeoutMs: 20, maxTopicInboxBytes: 10 + overhead })
  expect(await judge(storedMessage(1, 'orders', new Uint8Array(10)))).toBe('ignore')
  expect(dropped()).toBe(1)
  expect(admits(offer())).toBe(false)
  waiting[0]?.resolve('accept')
  await expect.poll(() => admits(offer())).toBe(true)
})

test('nothing is accepted by whoever fails, nor before anybody takes messages', async () => {
  const failing = { onMessage: () => Promise.reject(new Error('no database')) }
  expect(await gate({}, failing).judge(storedMessage(1))).toBe('ignore')
  expect(await gate({}, null).judge(storedMessage(1))).toBe('ignore')
})
