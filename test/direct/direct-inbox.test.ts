import { expect, test } from 'vitest'
import { createDirectInbox, type DirectSenders } from '../../src/direct/direct-inbox.ts'
import { decodeBatch, encodeBatch, maxDirectBatch } from '../../src/direct/direct-protocol.ts'
import { defaultLimits } from '../../src/limits.ts'
import { directStatus } from '../../src/model/direct-status.ts'
import type { NewMessage } from '../../src/model/message.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

const { kept, later, refused, tooLarge, invalid } = directStatus
const network = createMemoryNetwork()
const node = async () => createMemoryEngine({ network, identity: await createMemoryIdentity() })
type Node = Awaited<ReturnType<typeof node>>

/** An inbox whose store takes what it is given when the test says so, and answers what it says. */
async function inbox(init: { senders?: DirectSenders; limits?: Partial<typeof defaultLimits>; now?: () => number } = {}) {
  const { senders = 'all', limits, now = Date.now } = init
  const engine = await node()
  const { peers } = createMemoryStore()
  const appends: Array<{ messages: NewMessage[]; settle(isDurable: boolean, isKnown?: boolean): void }> = []
  const ingest = {
    takeDirect(messages: NewMessage[]): Promise<Array<{ known: boolean }> | undefined> {
      const { promise, resolve } = Promise.withResolvers<Array<{ known: boolean }> | undefined>()
      const settle = (isDurable: boolean, known = false) => resolve(isDurable ? messages.map(() => ({ known })) : undefined)
      appends.push({ messages, settle })
      return promise
    },
  }
  const direct = createDirectInbox(
    { senders, limits: { ...defaultLimits, ...limits } },
    { engine, ingest, peers, metrics: createMetrics(), logger: silentLog, now },
  )
  /** What becomes of envelopes that a store takes at once. */
  async function stored(envelopes: Uint8Array[], from: string): Promise<number[]> {
    const before = appends.length
    let isAnswered = false
    const answer = direct.take(envelopes, from).finally(() => {
      isAnswered = true
    })
    await expect.poll(() => isAnswered || appends.length > before).toBe(true)
    if (!isAnswered) appends.at(-1)?.settle(true)
    return [...(await answer)]
  }
  const sealed = (author: Node, text: string, to = engine.peerId) => author.signDirect({ to, data: Buffer.from(text) })
  return { peers, appends, take: direct.take, stored, sealed, engine }
}

test('a message is acknowledged once its transaction is durable, and not before', async () => {
  const { appends, take, sealed } = await inbox()
  const author = await node()
  let isAnswered = false
  const answer = take([await sealed(author, 'one'), await sealed(author, 'two')], author.peerId).finally(() => {
    isAnswered = true
  })
  await expect.poll(() => appends.length).toBe(1)
  expect(appends[0]?.messages.map(({ data }) => Buffer.from(data).toString())).toEqual(['one', 'two'])
  await new Promise((resolve) => setImmediate(resolve))
  expect(isAnswered).toBe(false)
  appends[0]?.settle(true)
  expect([...(await answer)]).toEqual([kept, kept])
})

test('what the store refused is to be sent again, and what was wrong with the others is said all the same', async () => {
  const { appends, take, sealed } = await inbox()
  const [author, another] = [await node(), await node()]
  const answer = take(
    [await sealed(author, 'good'), await sealed(author, 'for another', another.peerId), Buffer.from('no envelope')],
    author.peerId,
  )
  await expect.poll(() => appends.length).toBe(1)
  appends[0]?.settle(false)
  expect([...(await answer)]).toEqual([later, invalid, invalid])
})

test('who is not welcome is refused, whoever brings their messages', async () => {
  const { peers, stored, sealed, engine } = await inbox({ senders: 'known' })
  const [known, blocked, stranger] = [await node(), await node(), await node()]
  await peers.annotate(known.peerId, { label: 'a friend' })
  await peers.annotate(blocked.peerId, { label: 'a friend once', blocked: true })
  const envelopes = [await sealed(known, 'a'), await sealed(blocked, 'b'), await sealed(stranger, 'c'), await sealed(engine, 'd')]
  expect(await stored(envelopes, known.peerId)).toEqual([kept, refused, refused, kept])
})

test('a message over the limit is refused, and one of that size is not', async () => {
  const { stored, sealed } = await inbox({ limits: { maxMessageBytes: 10 } })
  const author = await node()
  expect(await stored([await sealed(author, '0123456789a'), await sealed(author, '0123456789')], author.peerId)).toEqual([tooLarge, kept])
})

test('what comes behind a message that has to wait waits too, whoever wrote it', async () => {
  const { stored, sealed } = await inbox({ limits: { maxDirectBytesPerHour: 10 } })
  const [author, another] = [await node(), await node()]
  const envelopes = [await sealed(author, '0123456789'), await sealed(author, 'x'), await sealed(another, 'y')]
  expect(await stored(envelopes, author.peerId)).toEqual([kept, later, later])
})

test('what an author may not send is no loss to the peer that brings it, and an hour later they may again', async () => {
  let now = 1_000_000
  const { stored, sealed } = await inbox({ limits: { maxDirectBytesPerHour: 10 }, now: () => now })
  const [author, carrier] = [await node(), await node()]
  expect(await stored([await sealed(author, '0123456789')], carrier.peerId)).toEqual([kept])
  // More than the carrier might bring of all authors together.
  for (let count = 0; count < 5; count++) expect(await stored([await sealed(author, '012345678')], carrier.peerId)).toEqual([later])
  for (let count = 0; count < 3; count++) expect(await stored([await sealed(await node(), '0123456789')], carrier.peerId)).toEqual([kept])
  expect(await stored([await sealed(await node(), '0123456789')], carrier.peerId)).toEqual([later])
  now += 3_600_000
  expect(await stored([await sealed(author, '0123456789')], carrier.peerId)).toEqual([kept])
})

test.each([
  ['found no room, or no database', [false]],
  ['was there already', [true, true]],
])('what %s costs neither its author nor its carrier anything', async (_, outcome) => {
  const { appends, take, stored, sealed } = await inbox({ limits: { maxDirectBytesPerHour: 10 } })
  const [author, carrier] = [await node(), await node()]
  // More than the author, or the carrier, might bring if each time counted.
  for (let count = 1; count <= 5; count++) {
    const answer = take([await sealed(author, '0123456789')], carrier.peerId)
    await expect.poll(() => appends.length).toBe(count)
    const [isDurable = false, isKnown] = outcome
    appends.at(-1)?.settle(isDurable, isKnown)
    expect([...(await answer)]).toEqual([isDurable ? kept : later])
  }
  expect(await stored([await sealed(author, '0123456789')], carrier.peerId)).toEqual([kept])
  expect(await stored([await sealed(author, 'x')], carrier.peerId)).toEqual([later])
})

test('what could not be looked at, since the database was away, costs nothing either', async () => {
  const { peers, stored, take, sealed } = await inbox({ limits: { maxDirectBytesPerHour: 10 } })
  const [author, another] = [await node(), await node()]
  const { get } = peers
  peers.get = (peerId) => (peerId === another.peerId ? Promise.reject(new Error('away')) : get(peerId))
  const envelopes = [await sealed(author, '0123456789'), await sealed(another, 'x')]
  await expect(take(envelopes, author.peerId)).rejects.toThrow('away')
  peers.get = get
  expect(await stored(envelopes, author.peerId)).toEqual([kept, kept])
})

test('this gateway sends itself as much as it likes', async () => {
  const { stored, sealed, engine } = await inbox({ senders: 'none', limits: { maxDirectBytesPerHour: 1 } })
  expect(await stored([await sealed(engine, '0123456789')], engine.peerId)).toEqual([kept])
})

test('a request brings a bounded number of envelopes', () => {
  const empty = new Uint8Array()
  expect(decodeBatch(encodeBatch(Array(maxDirectBatch).fill(empty)))).toHaveLength(maxDirectBatch)
  expect(() => decodeBatch(encodeBatch(Array(maxDirectBatch + 1).fill(empty)))).toThrow()
})
