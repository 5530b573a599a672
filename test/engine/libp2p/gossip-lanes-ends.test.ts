import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type OutgoingMessage, toOutgoing } from '../../../src/engine/libp2p/gossip/outgoing-message.ts'
import { behind, foreign, lanesTo, left, limits, numbers, peergate, peerId, room, rust } from '../../fixtures/gossip-lanes.ts'

/** What a peer misses when its stream or its link ends, and what has not left yet. */

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a Peergate that ends a stream takes messages of all sizes, and so does who ended it for another reason', () => {
  for (const [traits, isRefused] of [
    [peergate, true],
    [rust, false],
  ] as const) {
    const { lanes, make } = lanesTo(traits)
    const messages = make(Buffer.alloc(70_000))
    lanes.hand(peerId, messages)
    lanes.broken(peerId)
    if (isRefused) lanes.refused(peerId)
    lanes.settle(peerId)
    lanes.settle(peerId)
    expect(lanes.hand(peerId, messages)).toEqual([true])
  }
})

describe('a peer that reads its stream no further', () => {
  test('is behind from what was written within five seconds, and is sent nothing as large again', async () => {
    const { lanes, make, news, peer, reached } = lanesTo(rust)
    const [old, recent, huge] = [make('old'), make('recent'), make(Buffer.alloc(70_000))]
    lanes.hand(peerId, old)
    await vi.advanceTimersByTimeAsync(5_500)
    lanes.hand(peerId, recent)
    lanes.hand(peerId, huge)
    lanes.broken(peerId)
    lanes.refused(peerId)
    expect(news()).toEqual([behind(recent[0]?.id())])
    expect(lanes.feed(peerId, [...recent, ...huge, ...make('more')])).toBe(3)
    expect(peer.rpcs.slice(3)).toEqual([['recent', 'more']])
    expect(reached.counts.peer_message_size).toBe(1)
    lanes.settle(peerId)
    lanes.hand(peerId, make(Buffer.alloc(80_000)))
    // It takes none of what was kept from it.
    expect(lanes.settle(peerId)).toBe(true)
    await vi.advanceTimersByTimeAsync(10_000)
    const smaller = make(Buffer.alloc(70_000), Buffer.alloc(69_800), 'small')
    expect(lanes.hand(peerId, smaller)).toEqual([false, true, true])
    lanes.broken(peerId)
    lanes.refused(peerId)
    expect(news()).toEqual([behind(smaller[1]?.id())])
    lanes.settle(peerId)
    expect(lanes.settle(peerId)).toBe(true)
    expect(lanes.hand(peerId, make(Buffer.alloc(69_800), Buffer.alloc(69_000)))).toEqual([false, true])
  })

  test('is behind from what its stream has held for longer, too', async () => {
    const { lanes, make, news, rawStream } = lanesTo(rust)
    const old = make('old')
    lanes.hand(peerId, old)
    for (let second = 0; second < 10; second++) {
      await vi.advanceTimersByTimeAsync(1_000)
      rawStream.writeBufferLength = 10
      lanes.hand(peerId, make('more'))
    }
    lanes.broken(peerId)
    expect(news()).toEqual([behind(old[0]?.id())])
  })

  test('is not taken for one that takes nothing: what every peer takes is sent it again', () => {
    const { lanes, make, peer } = lanesTo(rust)
    const messages = make(Buffer.alloc(30_000))
    lanes.hand(peerId, messages)
    lanes.broken(peerId)
    lanes.refused(peerId)
    expect(lanes.feed(peerId, messages)).toBe(1)
    expect(peer.rpcs.length).toBe(2)
  })

  test('may not have what waits in its queue: that is forgotten, and it is behind from the first of it', async () => {
    const { lanes, make, peer, news } = lanesTo(foreign)
    lanes.broken(peerId)
    peer.room = 0
    const messages = make('one', 'two')
    expect(lanes.hand(peerId, messages)).toEqual([true, true])
    lanes.broken(peerId)
    expect(news()).toEqual([behind(messages[0]?.id())])
    peer.room = 10
    await vi.advanceTimersByTimeAsync(1_000)
    expect(peer.rpcs).toEqual([])
    lanes.settle(peerId)
    lanes.broken(peerId)
    expect(news()).toEqual([])
  })
})

describe('a peer whose link has ended', () => {
  test('leaves what was written while the link may have been dead, with its topics', async () => {
    const { lanes, raw, news } = lanesTo(rust)
    const [old, recent] = [toOutgoing(raw('old', 'a')), toOutgoing(raw('recent', 'b'))]
    lanes.hand(peerId, [old])
    await vi.advanceTimersByTimeAsync(limits.silentLinkMs + 500)
    lanes.hand(peerId, [recent])
    await vi.advanceTimersByTimeAsync(20_000)
    lanes.gone(peerId)
    expect(news()).toEqual([left(recent.id(), ['a', 'b'])])
    lanes.gone(peerId)
    expect(news()).toEqual([])
  })

  test('leaves what waits in its queue, also when it was behind', () => {
    const { lanes, make, news, peer } = lanesTo(foreign)
    peer.room = 0
    const messages = make(...numbers(20))
    lanes.hand(peerId, messages)
    expect(news()).toEqual([behind(messages[10]?.id())])
    lanes.gone(peerId)
    expect(news()).toEqual([left(messages[0]?.id())])
  })

  test('leaves what it was written before it was behind', () => {
    const { lanes, make, news, peer } = lanesTo(rust)
    peer.room = 1
    const messages = make(...numbers(60))
    lanes.hand(peerId, messages)
    news()
    lanes.gone(peerId)
    expect(news()).toEqual([left(messages[0]?.id())])
  })

  test('leaves nothing that it reads of our log, but what it was behind with, and begins anew when it comes again', () => {
    const { lanes, make, news, peer } = lanesTo(peergate)
    lanes.hand(peerId, make('one'))
    lanes.gone(peerId)
    expect(news()).toEqual([])
    peer.room = 0
    const messages = make('two')
    lanes.hand(peerId, messages)
    lanes.gone(peerId)
    expect(news()).toEqual([behind(messages[0]?.id()), left(messages[0]?.id())])
    peer.room = 10
    expect(lanes.hand(peerId, make('three'))).toEqual([true])
    peer.room = 0
    lanes.hand(peerId, make('four'))
    lanes.settle(peerId)
    lanes.settle(peerId)
    news()
    lanes.gone(peerId)
    expect(news()).toEqual([])
  })

  test('leaves a bounded number of topics', () => {
    const { lanes, raw, events } = lanesTo(rust)
    for (let index = 0; index < 1_001; index++) lanes.hand(peerId, [toOutgoing(raw('', String(index)))])
    lanes.gone(peerId)
    expect(events).toMatchObject([{ topics: { length: 1_000 } }])
  })
})

describe('a peer that keeps no log, and returns', () => {
  /** A message that is sent or forwarded while the peer is away. */
  const pass = ({ internals }: ReturnType<typeof lanesTo>, [message]: OutgoingMessage[]) => {
    if (message !== undefined) internals.mcache.put({}, message.raw, true)
  }

  test('is behind from what may have been lost with its link, as soon as it has told its topics', () => {
    const base = lanesTo(rust)
    const { lanes, make, news } = base
    const [old, next] = [make('old'), make('next')]
    lanes.hand(peerId, old)
    lanes.gone(peerId)
    pass(base, next)
    news()
    lanes.told(peerId)
    expect(news()).toEqual([behind(old[0]?.id()), room])
    expect(lanes.hand(peerId, make('held back'))).toEqual([false])
    expect([lanes.settle(peerId), lanes.settle(peerId)]).toEqual([false, true])
    expect(lanes.hand(peerId, make('live'))).toEqual([true])
  })

  test('is behind from the first message that passed while it was away, where nothing was lost', () => {
    const base = lanesTo(rust)
    const { lanes, make, news } = base
    lanes.told(peerId)
    lanes.gone(peerId)
    const [first, second] = [make('first'), make('second')]
    pass(base, first)
    pass(base, second)
    expect(lanes.hand(peerId, make('third'))).toEqual([false])
    expect(news()).toEqual([behind(first[0]?.id())])
  })

  test('has missed nothing where nothing passed, or where it reads the log', () => {
    for (const traits of [rust, peergate]) {
      const base = lanesTo(traits)
      const { lanes, make, news } = base
      lanes.told(peerId)
      lanes.gone(peerId)
      if (traits === peergate) pass(base, make('missed'))
      lanes.told(peerId)
      expect(lanes.hand(peerId, make('live'))).toEqual([true])
      expect(news()).toEqual([])
    }
  })

  test('begins anew when it was away for longer than `returnMs`', async () => {
    const { lanes, make, news } = lanesTo(rust)
    lanes.hand(peerId, make('old'))
    lanes.gone(peerId)
    news()
    await vi.advanceTimersByTimeAsync(limits.returnMs + 1)
    expect(lanes.hand(peerId, make('live'))).toEqual([true])
    expect(news()).toEqual([])
  })
})

describe('what has not left', () => {
  test('is named by the first message that waits for its turn', () => {
    const { lanes, make } = lanesTo(foreign)
    const messages = make('one', 'two', 'three')
    lanes.hand(peerId, messages)
    expect(lanes.unsent()).toEqual([messages[1]?.id()])
  })

  test('is named by the first message since the stream was empty', () => {
    const { lanes, make, rawStream } = lanesTo(rust)
    lanes.hand(peerId, make('gone'))
    expect(lanes.unsent()).toEqual([])
    vi.advanceTimersByTime(1_000)
    const [held, behindIt] = [make('held'), make('behind it')]
    lanes.hand(peerId, held)
    rawStream.writeBufferLength = 100
    vi.advanceTimersByTime(20_000)
    lanes.hand(peerId, behindIt)
    expect(lanes.unsent()).toEqual([held[0]?.id()])
    rawStream.writeBufferLength = 0
    expect(lanes.unsent()).toEqual([])
  })

  test('is nothing of a peer that reads the log for what it has missed', () => {
    const { lanes, make, rawStream } = lanesTo(peergate)
    lanes.hand(peerId, make('held'))
    rawStream.writeBufferLength = 100
    expect(lanes.unsent()).toEqual([])
  })
})
