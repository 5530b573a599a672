import type { RPC } from '@libp2p/gossipsub/message'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createAnnounced } from '../../../src/engine/libp2p/gossip/announced.ts'
import { peerIdBytes, sequenceBytes } from '../../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const id = (from: string, sequence: bigint) => Buffer.concat([peerIdBytes(from), sequenceBytes(sequence)])

/** What a node is told and tells of messages; gossipsub asks for everything that is announced. */
function announcing(init: { ordersItself?: boolean; latest?: Map<string, Uint8Array[]> } = {}) {
  const { ordersItself = true, latest = new Map() } = init
  const told: string[][] = []
  const sent: RPC.ControlIHave[] = []
  const openedAt = performance.now()
  const internals = {
    handleIHave: (_: string, ihave: RPC.ControlIHave[]): RPC.ControlIWant[] =>
      ihave.length === 0 ? [] : [{ messageIDs: ihave.flatMap(({ messageIDs }) => messageIDs) }],
    mcache: { put: () => false, getGossipIDs: () => latest },
    sendRpc(_: string, { control }: RPC) {
      sent.push(...(control?.ihave ?? []))
      return true
    },
  }
  const seen = new Set<string>()
  const missed: Array<{ peerId: string; ids: string[] }> = []
  const announced = createAnnounced({
    internals: Object.assign(internals, {
      seenCache: { has: (each: string) => seen.has(each), put: () => false },
      msgIdToStrFn: (each: Uint8Array) => Buffer.from(each).toString('base64'),
    }),
    linkAge: () => performance.now() - openedAt,
    ordersItself: () => ordersItself,
    emit({ type, peerId, ids }) {
      if (type === 'message:announced') told.push(ids)
      else missed.push({ peerId, ids })
    },
  })
  onTestFinished(announced.stop)
  return { announced, internals, told, missed, sent, come: (each: Uint8Array) => seen.add(Buffer.from(each).toString('base64')) }
}

test('announced messages are told of by their ids, and ids of other implementations are not', async () => {
  const { peerId } = await createMemoryIdentity()
  const { internals, told } = announcing()
  const messageIDs = [id(peerId, 7n), Buffer.from('another form'), Buffer.alloc(3), id(peerId, 8n)]
  expect(internals.handleIHave('one', [{ topicID: 'orders', messageIDs }])).toEqual([{ messageIDs }])
  internals.handleIHave('one', [{ topicID: 'orders', messageIDs: [Buffer.from('x')] }])
  expect(told).toEqual([[`${peerId}.7`, `${peerId}.8`]])
})

test('a message is known by the id that rust-libp2p names it with, too: it is asked for if it has not come, and told of', async () => {
  const { peerId } = await createMemoryIdentity()
  const { internals, told, come } = announcing()
  const rustId = (sequence: bigint) => Buffer.from(`${peerId}${sequence}`)
  come(id(peerId, 1_796_121_930_802_566_960n))
  const messageIDs = [rustId(1_796_121_930_802_566_960n), rustId(1_796_121_930_802_566_961n), rustId(2n ** 64n)]
  expect(internals.handleIHave('one', [{ topicID: 'orders', messageIDs }])).toEqual([{ messageIDs: messageIDs.slice(1) }])
  expect(told).toEqual([[`${peerId}.1796121930802566961`]])
})

test('a peer of a new link is told of the latest messages, up to 512, if it puts them in order itself', async () => {
  const { peerId } = await createMemoryIdentity()
  const ids = (count: number) => Array.from({ length: count }, (_, number) => id(peerId, BigInt(number)))
  const latest = new Map([
    ['orders', ids(500)],
    ['news', ids(100)],
    ['more', ids(1)],
  ])
  const { announced, sent } = announcing({ latest })
  announced.recap('one', ['orders', 'news', 'more'])
  expect(sent).toEqual([
    { topicID: 'orders', messageIDs: ids(500) },
    { topicID: 'news', messageIDs: ids(12) },
  ])
  vi.advanceTimersByTime(6_000)
  announced.recap('one', ['orders'])
  expect(sent).toHaveLength(2)
  const stranger = announcing({ latest, ordersItself: false })
  stranger.announced.recap('one', ['orders'])
  expect(stranger.sent).toEqual([])
  const quiet = announcing()
  quiet.announced.recap('one', ['orders'])
  expect(quiet.sent).toEqual([])
})

test('a new link brings no messages from before a subscription', async () => {
  const { peerId } = await createMemoryIdentity()
  const { announced, internals, told } = announcing()
  const ihave = [{ topicID: 'orders', messageIDs: [id(peerId, 1n)] }]
  announced.subscribed('orders')
  expect(internals.handleIHave('one', ihave)).toEqual([])
  expect(told).toEqual([])
  announced.unsubscribed('orders')
  internals.handleIHave('one', ihave)
  announced.subscribed('orders')
  vi.advanceTimersByTime(6_000)
  internals.handleIHave('one', ihave)
  expect(told).toHaveLength(2)
  const stranger = announcing({ ordersItself: false })
  stranger.announced.subscribed('orders')
  stranger.internals.handleIHave('one', ihave)
  expect(stranger.told).toHaveLength(1)
})

test('what a peer has announced and not sent within two seconds is told of, and nothing after the end', async () => {
  const { peerId } = await createMemoryIdentity()
  const { announced, internals, missed, come } = announcing()
  const announce = (...sequences: bigint[]) =>
    internals.handleIHave('one', [{ topicID: 'orders', messageIDs: sequences.map((sequence) => id(peerId, sequence)) }])
  announce(1n, 2n)
  come(id(peerId, 1n))
  vi.advanceTimersByTime(1_900)
  announce(3n)
  expect(missed).toEqual([])
  vi.advanceTimersByTime(200)
  expect(missed).toEqual([{ peerId: 'one', ids: [`${peerId}.2`] }])
  announced.stop()
  vi.advanceTimersByTime(10_000)
  expect(missed).toHaveLength(1)
})

test('of more than 20,000 announced messages that may still come, the others are not told of', async () => {
  const { peerId } = await createMemoryIdentity()
  const { internals, told, missed } = announcing()
  const announce = (from: number, count: number) =>
    internals.handleIHave('one', [
      { topicID: 'orders', messageIDs: Array.from({ length: count }, (_, number) => id(peerId, BigInt(from + number))) },
    ])
  announce(0, 19_999)
  announce(30_000, 2)
  announce(40_000, 1)
  expect(told.map(({ length }) => length)).toEqual([19_999, 1])
  vi.advanceTimersByTime(2_000)
  expect(missed.map(({ ids }) => ids.length)).toEqual([19_999, 1])
  announce(50_000, 1)
  expect(told).toHaveLength(3)
})
