import { expect, test } from 'vitest'
import { createGossip } from '../../../src/engine/custom/gossip.ts'
import { createInboundBudget } from '../../../src/engine/inbound-budget.ts'
import { createInboundGate } from '../../../src/engine/inbound-gate.ts'
import { createMessageSigner, type SignedMessage } from '../../../src/model/signed-message.ts'
import type { Verdict } from '../../../src/model/verdict.ts'
import { silentLog } from '../../fixtures/log.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const identity = await createMemoryIdentity()
const signer = createMessageSigner(identity.peerId, identity.seed)
const sign = (sequence: bigint, text: string) => signer.sign(sequence, 'orders', Buffer.from(text))

const small = { maxInboxBytes: 4_000, maxTopicInboxBytes: 2_000, maxMessageBytes: 1_000, validateTimeoutMs: 60_000 }

function gossip() {
  const settled: Array<[string, string]> = []
  const asked: Array<{ text: string; answer(verdict: Verdict): void }> = []
  const limits = small
  const budget = createInboundBudget({ limits })
  const inbound = {
    onMessage({ data }: SignedMessage) {
      const { promise, resolve } = Promise.withResolvers<Verdict>()
      asked.push({ text: Buffer.from(data).toString(), answer: resolve })
      return promise
    },
  }
  const gate = createInboundGate(
    { limits, peerId: 'another' },
    { budget, inbound: () => inbound, topics: new Set(['orders']), logger: silentLog },
  )
  let held = 0
  const link = {
    enter(dataBytes: number) {
      const message = budget.enter(dataBytes, (bytes) => {
        held -= bytes
      })
      held += message?.bytes ?? 0
      return message
    },
  }
  const parts = createGossip({ gate, settle: (id, outcome) => settled.push([id, outcome]), logger: silentLog })
  /** The message as a peer sends it. */
  const received = (message: SignedMessage) => parts.open(Buffer.from(parts.seal(message).bytes), link)
  return { settled, asked, received, held: () => held, dropped: () => gate.dropped, budget, ...parts }
}

test('what nobody signed is judged by nobody and counts no longer, and what comes behind it is judged', async () => {
  const { received, judge, asked, settled, held, budget } = gossip()
  expect(judge(received({ ...sign(1n, 'forged'), signature: new Uint8Array(64) }))).toBe(true)
  expect(judge(received(sign(2n, 'good')))).toBe(true)
  expect(held()).toBe(2 * 512 + 'forged'.length + 'good'.length)
  await expect.poll(() => asked.map(({ text }) => text)).toEqual(['good'])
  expect(settled.map(([, outcome]) => outcome)).toEqual(['forged'])
  expect(held()).toBe(0)
  asked[0]?.answer('accept')
  await expect.poll(() => settled.map(([, outcome]) => outcome)).toEqual(['forged', 'accept'])
  expect(budget.enter(small.maxInboxBytes - 512, () => undefined)).toBeDefined()
})

test('a message counts once, from when it is read until its verdict is there', async () => {
  const { received, judge, asked, budget, dropped } = gossip()
  expect(judge(received(sign(1n, 'x'.repeat(1_000))))).toBe(true)
  const rest = small.maxInboxBytes - 1_512
  const probe = (bytes: number) => {
    using message = budget.enter(bytes - 512, () => undefined)
    return message !== undefined
  }
  expect([probe(rest), probe(rest + 1)]).toEqual([true, false])
  await expect.poll(() => asked).toHaveLength(1)
  expect([probe(rest), probe(rest + 1)]).toEqual([true, false])
  asked[0]?.answer('accept')
  await expect.poll(() => probe(small.maxInboxBytes)).toBe(true)
  expect(dropped()).toBeGreaterThan(0)
})

test('a message for which there is no room is not verified, and not settled', async () => {
  const { received, judge, asked, settled, dropped } = gossip()
  const all = Array.from({ length: 4 }, (_, index) => judge(received(sign(BigInt(index), `${index}`.repeat(700)))))
  expect(all).toEqual([true, true, true, false])
  expect(dropped()).toBe(1)
  await expect.poll(() => asked).toHaveLength(1)
  // The topic has room for one of them.
  await expect.poll(() => settled.map(([, outcome]) => outcome)).toEqual(['ignore', 'ignore'])
  expect(dropped()).toBe(3)
})

test('a message is judged once', async () => {
  const { received, judge, asked, settled } = gossip()
  const envelope = received(sign(1n, 'x'))
  judge(envelope)
  expect(() => judge(envelope)).toThrow('judged already')
  await expect.poll(() => asked).toHaveLength(1)
  asked[0]?.answer('reject')
  await expect.poll(() => settled.map(([, outcome]) => outcome)).toEqual(['reject'])
})
