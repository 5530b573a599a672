import type { RPC } from '@libp2p/gossipsub/message'
import { expect, test } from 'vitest'
import type { OutgoingMessage } from '../../../src/engine/libp2p/gossip/outgoing-message.ts'
import { createRawPublish } from '../../../src/engine/libp2p/gossip/raw-publish.ts'
import { createMessageSigner, peerIdBytes } from '../../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const { peerId, seed } = await createMemoryIdentity()
const other = await createMemoryIdentity()
const textOf = ({ raw }: OutgoingMessage) => Buffer.from(raw.data ?? []).toString()

/** Lanes to the subscribers of topics, each with room for some messages, and what each was handed and fed. */
function setUp(subscribers: Record<string, string[]>, room: Record<string, number> = {}) {
  const handed: Record<string, string[]> = {}
  const raws: RPC.Message[] = []
  const known = { seen: [] as string[], published: [] as string[], kept: [] as string[], asked: 0 }
  function take(to: string, messages: OutgoingMessage[]): number {
    const taken = messages.slice(0, room[to] ?? messages.length)
    handed[to] = [...(handed[to] ?? []), ...taken.map(textOf)]
    raws.push(...taken.map(({ raw }) => raw))
    return taken.length
  }
  const raw = createRawPublish({
    internals: Object({
      topics: new Map(Object.entries(subscribers).map(([topic, peers]) => [topic, new Set(peers)])),
      selectPeersToPublish(topic: string) {
        known.asked++
        return { tosend: new Set(subscribers[topic]) }
      },
      msgIdToStrFn: (id: Uint8Array) => Buffer.from(id).toString('hex'),
      seenCache: { put: (id: string) => known.seen.push(id) },
      publishedMessageIds: { put: (id: string) => known.published.push(id) },
      mcache: { put: ({ msgIdStr }: { msgIdStr: string }) => known.kept.push(msgIdStr) },
    }),
    lanes: {
      hand(to, messages) {
        const count = take(to, messages)
        return messages.map((_, index) => index < count)
      },
      isReady: (to) => to !== 'forgotten',
      feed: take,
      isTooLarge: (to, { rpcBytes }) => to.startsWith('small') && rpcBytes > 1_000,
    },
  })
  const signer = createMessageSigner(peerId, seed)
  let sequence = 0n
  const sign = (topic: string, text: string) => signer.sign(++sequence, topic, Buffer.from(text))
  return { raw, handed, raws, known, sign }
}

test('each subscriber is handed the messages of its topics in order; of each message it is told how many took it', () => {
  const { raw, handed, sign, known } = setUp({ a: ['one', 'two'], b: ['two'], c: [] }, { two: 2 })
  expect(raw.send([sign('a', '1'), sign('b', '2'), sign('c', '3'), sign('a', '4')])).toEqual([2, 1, 0, 1])
  expect(handed).toEqual({ one: ['1', '4'], two: ['1', '2'] })
  // Once for each topic.
  expect(known.asked).toBe(3)
})

test('what was sent is known as ours, so that it is given to those who ask and not taken from others', () => {
  const { raw, sign, known } = setUp({})
  const message = sign('a', '1')
  raw.send([message])
  const id = Buffer.concat([peerIdBytes(peerId), message.sequence]).toString('hex')
  expect(known).toMatchObject({ seen: [id], published: [id], kept: [id] })
})

test('a peer is fed the messages of its topics, and those that it has no room for are told by their place among all', () => {
  const { raw, handed, sign, known } = setUp({ a: ['one', 'two'], b: ['two'] }, { one: 1 })
  const messages = [sign('b', '1'), sign('a', '2'), sign('b', '3'), sign('a', '4'), sign('unknown', '5')]
  expect(raw.feed('one', messages)).toBe(3)
  expect(raw.feed('two', messages)).toBe(5)
  expect(handed).toEqual({ one: ['2'], two: ['1', '2', '3', '4'] })
  // They are not ours, or were noted before.
  expect(known.seen).toEqual([])
})

test('messages leave with everything that their authors signed, whoever they are', () => {
  const { raw, raws, sign } = setUp({ a: ['one'] })
  const [first, second] = [sign('a', ''), createMessageSigner(other.peerId, other.seed).sign(7n, 'a', Buffer.from('x'))]
  const key = Buffer.from('key')
  raw.feed('one', [{ ...first, dataAbsent: true }, first, { ...second, publicKey: key }, first])
  const { sequence: seqno, signature } = first
  const ours = { from: peerIdBytes(peerId), seqno, topic: 'a', signature }
  expect(raws).toEqual([
    ours,
    { ...ours, data: first.data },
    { from: peerIdBytes(other.peerId), data: second.data, seqno: second.sequence, topic: 'a', signature: second.signature, key },
    { ...ours, data: first.data },
  ])
})

test('a peer whose topics are not known is fed nothing', () => {
  const { raw, sign } = setUp({ a: [] })
  expect(raw.feed('forgotten', [sign('a', '1')])).toBe(0)
})

test('a message is too large when none of the subscribers of its topic but its author takes one of its size', () => {
  const { raw, sign } = setUp({ a: ['small one', 'small two'], b: ['small one', 'two'], c: [], d: ['small one', peerId], e: [peerId] })
  const isTooLarge = (text: string) => ['a', 'b', 'c', 'd', 'e', 'f'].filter((topic) => raw.isTooLarge(sign(topic, text)))
  expect(isTooLarge('x')).toEqual([])
  expect(isTooLarge('x'.repeat(1_000))).toEqual(['a', 'd'])
})
