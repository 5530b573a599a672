import { RPC } from '@libp2p/gossipsub/message'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { EngineEvent } from '../../../src/engine/engine.ts'
import { createGossipLanes } from '../../../src/engine/libp2p/gossip/gossip-lanes.ts'
import type { GossipTraits } from '../../../src/engine/libp2p/gossip/gossip-traits.ts'
import { toOutgoing } from '../../../src/engine/libp2p/gossip/outgoing-message.ts'
import { createLimitsReached } from '../../../src/engine/limits-reached.ts'
import { createMessageSigner, messageId, peerIdBytes } from '../../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const { peerId: author, seed } = await createMemoryIdentity()
const signer = createMessageSigner(author, seed)
const from = peerIdBytes(author)
const limits = {
  maxPacedMessages: 10,
  pacedMessageMs: 10,
  kuboMessageMs: 30,
  maxPubsubBufferBytes: 1_000_000,
  maxStreamBufferBytes: 1_000_000,
  maxMessageBytes: 100_000,
  silentLinkMs: 30_000,
}
const peerId = 'peer'
const peergate = { takesBatches: true, writesEach: false, catchesUp: true }
const rust = { takesBatches: true, writesEach: false, catchesUp: false }
const foreign = { takesBatches: false, writesEach: false, catchesUp: false }
const kubo = { ...foreign, writesEach: true }

/** Lanes to one peer, whose stream is the test's. */
function lanesTo(init: GossipTraits, ofLanes = limits) {
  const peer = {
    traits: init,
    isLinked: true,
    /** How many more RPCs the stream takes. */
    room: Number.POSITIVE_INFINITY,
    /** The largest of them. */
    roomBytes: Number.POSITIVE_INFINITY,
    /** The data of the messages of each RPC. */
    rpcs: [] as string[][],
    /** RPCs that went the way of gossipsub's own. */
    others: [] as RPC[],
    pings: 0,
  }
  const events: EngineEvent[] = []
  const reached = createLimitsReached()
  const rawStream = Object.assign(new EventTarget(), { status: 'open', writeBufferLength: 0 })
  const peers = new Map([[peerId, Object(peerId)]])
  const streamsOutbound = new Map()
  function open(): void {
    streamsOutbound.set(peerId, {
      rawStream,
      push(rpc: Uint8Array) {
        if (--peer.room < 0 || rpc.length > peer.roomBytes) throw new Error('full')
        peer.rpcs.push(RPC.decode(rpc).messages.map(({ data }) => Buffer.from(data ?? []).toString()))
      },
    })
  }
  const internals = {
    streamsOutbound,
    peers,
    sendRpc(_peerId: string, rpc: RPC) {
      peer.others.push(rpc)
      return true
    },
  }
  open()
  const lanes = createGossipLanes(
    { limits: ofLanes },
    {
      internals,
      traits: () => peer.traits,
      isLinked: () => peer.isLinked,
      async openPing() {
        peer.pings++
        throw new Error('no ping')
      },
      emit: (event) => events.push(event),
      reached,
    },
  )
  let sequence = 0n
  function raw(data: string | Uint8Array, topic: string): RPC.Message {
    const message = signer.sign(++sequence, topic, Buffer.from(data))
    return { from, seqno: message.sequence, topic, data: message.data, signature: message.signature }
  }
  return {
    peer,
    events,
    reached,
    lanes,
    internals,
    raw,
    open,
    close: () => streamsOutbound.delete(peerId),
    rawStream,
    async tell(event: string): Promise<void> {
      rawStream.dispatchEvent(new Event(event))
      await Promise.resolve()
    },
    make: (...data: Array<string | Uint8Array>) => data.map((each) => toOutgoing(raw(each, 'orders'))),
    news: () => events.splice(0),
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index))
const behind = (since: string | undefined) => ({ type: 'peer:behind', peerId, since })
const room = { type: 'peer:room', peerId }
const left = (since: string | undefined, topics = ['orders']) => ({ type: 'peer:left', peerId, since, topics })

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
  test('is sent RPCs of at most 50 messages and 60,000 bytes; what is larger goes alone', () => {
    const { lanes, make, peer } = lanesTo(rust)
    const texts = numbers(101)
    expect(lanes.hand(peerId, make(...texts))).toEqual(texts.map(() => true))
    expect(peer.rpcs).toEqual([texts.slice(0, 50), texts.slice(50, 100), texts.slice(100)])
    peer.rpcs = []
    const kilo = (size: number) => Buffer.alloc(size * 1_000, 'x')
    lanes.hand(peerId, make(kilo(29), kilo(29), 'a', kilo(50), 'b', kilo(65), 'c', 'd'))
    expect(peer.rpcs.map(({ length }) => length)).toEqual([3, 2, 1, 2])
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
    expect(lanes.hand(peerId, make(Buffer.alloc(60_000), 'small'))).toEqual([false, false])
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
