import { RPC } from '@libp2p/gossipsub/message'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { toOutgoing } from '../../../src/engine/libp2p/gossip/outgoing-message.ts'
import { messageId } from '../../../src/model/signed-message.ts'
import { author, behind, foreign, from, kubo, lanesTo, limits, numbers, peerId, room, rust } from '../../fixtures/gossip-lanes.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('the id and the bytes of a message are what the peer will have of it', () => {
  for (const [data, signature] of [
    [100, 64],
    [70_000, 256],
  ] as const) {
    const raw = { from, seqno: Buffer.alloc(8, 1), topic: 'orders', data: Buffer.alloc(data), signature: Buffer.alloc(signature) }
    const outgoing = toOutgoing(raw)
    const { length } = RPC.encode({ subscriptions: [], messages: [raw] })
    expect(outgoing.id()).toBe(messageId(author, Buffer.alloc(8, 1)))
    expect(outgoing.rpcBytes).toBeGreaterThanOrEqual(length)
    expect(outgoing.rpcBytes).toBeLessThan(length + 100)
  }
})

/** Milliseconds until the peer has been sent another. */
async function untilSent({ peer }: Pick<ReturnType<typeof lanesTo>, 'peer'>): Promise<number> {
  const before = peer.rpcs.length
  let waited = 0
  for (; peer.rpcs.length === before; waited++) await vi.advanceTimersByTimeAsync(1)
  return waited
}

describe('the pause between two messages', () => {
  test('is longer for a peer that writes to its disk for each, from when it has said what it is', async () => {
    const to = lanesTo(foreign)
    to.lanes.hand(peerId, to.make(...numbers(4)))
    expect(await untilSent(to)).toBe(10)
    to.peer.traits = kubo
    expect(await untilSent(to)).toBe(10)
    expect(await untilSent(to)).toBe(30)
  })

  test('is not shorter for it than for others', async () => {
    const to = lanesTo(kubo, { ...limits, pacedMessageMs: 50 })
    to.lanes.hand(peerId, to.make(...numbers(2)))
    expect(await untilSent(to)).toBe(50)
  })
})

describe('a peer that takes batches', () => {
  test('is sent RPCs of at most 50 messages and 57,000 bytes; what is larger goes alone', () => {
    const { lanes, make, peer } = lanesTo(rust)
    const texts = numbers(101)
    expect(lanes.hand(peerId, make(...texts))).toEqual(texts.map(() => true))
    expect(peer.rpcs).toEqual([texts.slice(0, 50), texts.slice(50, 100), texts.slice(100)])
    peer.rpcs = []
    const kilo = (size: number) => Buffer.alloc(size * 1_000, 'x')
    lanes.hand(peerId, make(kilo(28), kilo(28), 'a', kilo(50), 'b', kilo(70), 'c', 'd'))
    expect(peer.rpcs.map(({ length }) => length)).toEqual([3, 2, 1, 2])
  })

  test('is sent nothing until it has read one of 64 KiB, if it counts what follows with it', async () => {
    const { lanes, make, peer } = lanesTo(rust)
    const sizes = () => peer.rpcs.map((texts) => texts.map(({ length }) => length))
    const large = Buffer.alloc(60_000, 'x')
    lanes.hand(peerId, make(large, 'a'))
    lanes.hand(peerId, make('b'))
    expect(sizes()).toEqual([[60_000]])
    await vi.advanceTimersByTimeAsync(99)
    expect(sizes()).toEqual([[60_000]])
    await vi.advanceTimersByTimeAsync(20)
    expect(sizes()).toEqual([[60_000], [1], [1]])
    lanes.hand(peerId, make(large))
    await vi.advanceTimersByTimeAsync(50)
    lanes.hand(peerId, make('c', 'd'))
    expect(sizes()).toHaveLength(4)
    await vi.advanceTimersByTimeAsync(200)
    lanes.hand(peerId, make(Buffer.alloc(70_000), 'e'))
    expect(sizes().slice(4)).toEqual([[1], [1], [70_000], [1]])
  })

  test('is sent no control until it has read one of 64 KiB, and then all, in order', async () => {
    const { lanes, internals, make, raw, peer, open } = lanesTo(rust)
    const join = (topic: string) => internals.sendRpc(peerId, { subscriptions: [{ subscribe: true, topic }], messages: [] })
    const joined = () => peer.others.flatMap(({ subscriptions }) => subscriptions.map(({ topic }) => topic))
    lanes.told(peerId)
    join('a')
    lanes.hand(peerId, make(Buffer.alloc(60_000, 'x'), 'small'))
    expect([join('b'), join('c')]).toEqual([true, true])
    await vi.advanceTimersByTimeAsync(99)
    internals.sendRpc(peerId, { subscriptions: [{ subscribe: true, topic: 'd' }], messages: [raw('other', 'orders')] })
    expect([joined(), peer.rpcs.length]).toEqual([['a'], 1])
    await vi.advanceTimersByTimeAsync(2)
    expect(joined()).toEqual(['a', 'b', 'c', 'd'])
    expect(peer.rpcs.slice(1)).toEqual([['small'], ['other']])
    join('e')
    expect(joined()).toHaveLength(5)
    // A new stream has read nothing that would count.
    await vi.advanceTimersByTimeAsync(200)
    lanes.hand(peerId, make(Buffer.alloc(60_000, 'y')))
    join('f')
    expect(joined()).toHaveLength(5)
    lanes.broken(peerId)
    open()
    join('g')
    expect(joined().slice(5)).toEqual(['f', 'g'])
  })

  test('is sent all control at once when more waits than is held', async () => {
    const { lanes, internals, make, peer } = lanesTo(rust)
    const leave = () => internals.sendRpc(peerId, { subscriptions: [{ subscribe: false, topic: 'a' }], messages: [] })
    lanes.hand(peerId, make(Buffer.alloc(60_000, 'x')))
    for (let count = 0; count < 1_000; count++) leave()
    expect(peer.others).toHaveLength(0)
    leave()
    expect(peer.others).toHaveLength(1_001)
  })

  test('is behind from the first message for which its stream has no room, and told of once it has some', async () => {
    const { lanes, make, peer, news, tell } = lanesTo(rust)
    peer.room = 1
    const messages = make(...numbers(60))
    expect(lanes.hand(peerId, messages)).toEqual(messages.map((_, index) => index < 50))
    expect(news()).toEqual([behind(messages[50]?.id())])
    await tell('drain')
    expect(news()).toEqual([room])
    await tell('drain')
    expect(news()).toEqual([])
  })

  test('is written nothing behind a message for which there was no room', () => {
    const { lanes, make, peer } = lanesTo(rust)
    peer.roomBytes = 10_000
    expect(lanes.hand(peerId, make(Buffer.alloc(57_000), 'small'))).toEqual([false, false])
    expect(peer.rpcs).toEqual([])
  })

  test('is handed nothing while it is behind, and fed as far as there is room', async () => {
    const { lanes, make, peer, news, tell } = lanesTo(rust)
    peer.room = 0
    const messages = make('one', 'two')
    lanes.hand(peerId, messages)
    peer.room = 1
    expect(lanes.hand(peerId, make('three'))).toEqual([false])
    expect(lanes.feed(peerId, messages)).toBe(2)
    expect(lanes.feed(peerId, messages)).toBe(0)
    expect(lanes.feed(peerId, messages)).toBe(0)
    expect(peer.rpcs).toEqual([['one', 'two']])
    news()
    await tell('close')
    expect(news()).toEqual([room])
    lanes.feed(peerId, messages)
    await tell('drain')
    expect(news()).toEqual([room])
  })

  test('is behind until nothing has been kept from it since it was settled last', () => {
    const { lanes, make, peer } = lanesTo(rust)
    peer.room = 0
    lanes.hand(peerId, make('one'))
    peer.room = 10
    expect(lanes.settle(peerId)).toBe(false)
    lanes.hand(peerId, make('two'))
    expect(lanes.settle(peerId)).toBe(false)
    expect(lanes.settle(peerId)).toBe(true)
    expect(lanes.hand(peerId, make('three'))).toEqual([true])
  })

  test('that may have lost what it is being fed is still behind', () => {
    const { lanes, make, peer } = lanesTo(rust)
    peer.room = 0
    const messages = make('one')
    lanes.hand(peerId, messages)
    peer.room = 10
    lanes.settle(peerId)
    lanes.feed(peerId, messages)
    lanes.broken(peerId)
    expect(lanes.settle(peerId)).toBe(false)
  })

  test('has no stream at first: it is behind, and told of when it has one', () => {
    const { lanes, make, news, open, close } = lanesTo(rust)
    lanes.opened(peerId)
    close()
    const messages = make('one')
    expect(lanes.hand(peerId, messages)).toEqual([false])
    expect(news()).toEqual([behind(messages[0]?.id())])
    open()
    lanes.opened(peerId)
    expect(news()).toEqual([room])
    lanes.settle(peerId)
    lanes.settle(peerId)
    lanes.opened(peerId)
    expect(news()).toEqual([])
  })
})

describe('room', () => {
  test('is there when half of what the stream held has left', async () => {
    const { lanes, make, peer, news, tell, rawStream } = lanesTo(rust)
    peer.room = 0
    rawStream.writeBufferLength = 1_000
    lanes.hand(peerId, make('one'))
    news()
    expect(lanes.hasRoom(peerId)).toBe(false)
    rawStream.writeBufferLength = 501
    await tell('drain')
    expect([lanes.hasRoom(peerId), news()]).toEqual([false, []])
    rawStream.writeBufferLength = 500
    await tell('drain')
    expect([lanes.hasRoom(peerId), news()]).toEqual([true, [room]])
  })

  test('is there in a queue that is half empty, and in no lane without a stream', async () => {
    const { lanes, make, close, open } = lanesTo(foreign)
    lanes.hand(peerId, make(...numbers(8)))
    expect(lanes.hasRoom(peerId)).toBe(false)
    await vi.advanceTimersByTimeAsync(30)
    expect(lanes.hasRoom(peerId)).toBe(true)
    close()
    expect(lanes.hasRoom(peerId)).toBe(false)
    open()
    expect(lanes.hasRoom(peerId)).toBe(true)
  })

  test('is not there for a peer that gossipsub has forgotten, until it has told its topics again', () => {
    const { lanes, make, internals, news } = lanesTo(rust)
    const messages = make('one')
    lanes.hand(peerId, messages)
    internals.peers.delete(peerId)
    lanes.broken(peerId)
    news()
    expect([lanes.hasRoom(peerId), lanes.isReady(peerId), lanes.feed(peerId, messages)]).toEqual([false, false, 0])
    lanes.told(peerId)
    expect([lanes.hasRoom(peerId), lanes.isReady(peerId), lanes.feed(peerId, messages)]).toEqual([true, true, 1])
    expect(news()).toEqual([room])
  })

  test('is not there for a peer without a link, and nothing is kept of one', () => {
    const { lanes, make, peer, news } = lanesTo(foreign)
    peer.isLinked = false
    expect(lanes.hand(peerId, make('one'))).toEqual([false])
    expect([lanes.hasRoom(peerId), lanes.isReady(peerId), lanes.feed(peerId, make('two')), lanes.settle(peerId)]).toEqual([
      false,
      false,
      0,
      true,
    ])
    lanes.gone(peerId)
    expect(news()).toEqual([])
  })
})

test('a message for a peer that has no stream yet is handed to nobody, and follows', () => {
  const { lanes, make, news, close, open } = lanesTo(foreign)
  close()
  const messages = make('one')
  expect(lanes.hand(peerId, messages)).toEqual([false])
  expect(news()).toEqual([behind(messages[0]?.id())])
  open()
  lanes.opened(peerId)
  expect(news()).toEqual([room])
})

describe('what gossipsub sends', () => {
  const control = { graft: [], prune: [], ihave: [], iwant: [], idontwant: [] }

  test('goes by the lane as far as it is messages, and the way of gossipsub as far as it is not', () => {
    const { raw, peer, internals } = lanesTo(rust)
    expect(internals.sendRpc(peerId, { subscriptions: [], messages: [raw('one', 'orders')] })).toBe(true)
    expect([peer.rpcs, peer.others]).toEqual([[['one']], []])
    internals.sendRpc(peerId, { subscriptions: [], messages: [raw('two', 'orders')], control })
    internals.sendRpc(peerId, { subscriptions: [{ subscribe: true, topic: 'orders' }], messages: [raw('three', 'orders')] })
    internals.sendRpc(peerId, { subscriptions: [], messages: [] })
    expect(peer.rpcs).toEqual([['one'], ['two'], ['three']])
    expect(peer.others).toEqual([
      { subscriptions: [], messages: [], control },
      { subscriptions: [{ subscribe: true, topic: 'orders' }], messages: [] },
      { subscriptions: [], messages: [] },
    ])
  })

  test('is not sent when its messages were not all handed', () => {
    const { raw, peer, internals } = lanesTo(rust)
    peer.room = 0
    expect(internals.sendRpc(peerId, { subscriptions: [], messages: [raw('one', 'orders')], control })).toBe(false)
    expect(peer.others.length).toBe(1)
  })
})

describe('a peer that is sent one message at a time', () => {
  test('is behind from the first for which there is no room in its queue', async () => {
    const { lanes, make, peer, news } = lanesTo(foreign)
    const texts = numbers(20)
    const messages = make(...texts)
    expect(lanes.hand(peerId, messages)).toEqual(messages.map((_, index) => index < 11))
    expect(news()).toEqual([behind(messages[11]?.id())])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(peer.rpcs).toEqual(texts.slice(0, 11).map((text) => [text]))
    expect(news()).toEqual([room])
    expect(peer.pings).toBeGreaterThan(0)
  })

  test('gets everything at once when it turns out to take batches, and nothing overtakes what waits', async () => {
    const { lanes, make, peer, close, open } = lanesTo(foreign)
    lanes.hand(peerId, make('one', 'two', 'three'))
    lanes.identified(peerId)
    expect(peer.rpcs).toEqual([['one']])
    peer.traits = rust
    close()
    lanes.identified(peerId)
    open()
    lanes.hand(peerId, make('four'))
    expect(peer.rpcs).toEqual([['one']])
    lanes.identified(peerId)
    expect(peer.rpcs).toEqual([['one'], ['two'], ['three'], ['four']])
    lanes.hand(peerId, make('five'))
    expect(peer.rpcs.at(-1)).toEqual(['five'])
  })
})

describe('a peer that may ignore late messages', () => {
  const known = { ...kubo, mayIgnoreLate: true }
  const begins = { type: 'peer:begins', peerId, pauseMs: 30 }

  test('is told to begin once for a link, and is handed nothing while it is held', () => {
    const { lanes, make, peer, news } = lanesTo(known)
    lanes.told(peerId)
    expect(news()).toEqual([begins])
    lanes.hold(peerId)
    expect(lanes.hand(peerId, make('one'))).toEqual([false])
    expect(peer.rpcs).toEqual([])
    expect([lanes.settle(peerId), lanes.settle(peerId)]).toEqual([false, true])
    expect(lanes.hand(peerId, make('two'))).toEqual([true])
    lanes.identified(peerId)
    expect(news()).toEqual([])
    lanes.gone(peerId)
    news()
    lanes.told(peerId)
    expect(news()).toContainEqual(begins)
  })

  test('is told to begin when it has said what it is', () => {
    const { lanes, peer, news } = lanesTo(foreign)
    lanes.told(peerId)
    expect(news()).toEqual([])
    peer.traits = known
    lanes.identified(peerId)
    expect(news()).toEqual([begins])
  })
})
