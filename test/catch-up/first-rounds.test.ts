import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createFirstRounds } from '../../src/catch-up/first-rounds.ts'
import { historyProtocol } from '../../src/catch-up/history-protocol.ts'
import type { Bridge, NetworkKind } from '../../src/engine/engine.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
afterEach(() => void vi.useRealTimers())

const bridge: Bridge = { mayCarry: () => true, carries: () => true, topics: () => [], subscribes: () => false }

/** First rounds, and how many times live messages are held. */
function rounds(init: { topics?: string[]; bridge?: Bridge } = {}) {
  const { topics = ['orders'], ...others } = init
  const held = { live: 0, past: 0 }
  const hold = (kind: 'live' | 'past') => () => {
    held[kind]++
    let isHeld = true
    return {
      [Symbol.dispose]() {
        if (isHeld) held[kind]--
        isHeld = false
      },
    }
  }
  const parts = createFirstRounds({
    engine: { topics: async () => topics, ...others },
    order: { holdLive: hold('live'), holdPast: hold('past') },
  })
  return {
    ...parts,
    held: () => held.live,
    heldPast: () => held.past,
    link: (peerId: string, networks: NetworkKind[] = ['custom'], protocols = [historyProtocol], hasTold = true) =>
      parts.linked({ peerId, networks, protocols }, hasTold),
  }
}

test('live messages are held from the first link until the peers that are linked meanwhile have been asked', () => {
  const { link, asked, held } = rounds()
  expect([link('one'), held()]).toEqual([true, 1])
  expect([link('one'), link('other'), held()]).toEqual([false, false, 1])
  asked('one')
  expect(held()).toBe(1)
  asked('other')
  expect(held()).toBe(0)
  vi.advanceTimersByTime(5_000)
  link('third')
  expect(held()).toBe(0)
})

test('what is fetched is held until each of these peers has listed something, has been asked, or is gone', () => {
  const { link, listed, asked, gone, askedAgain, held, heldPast } = rounds()
  expect(heldPast()).toBe(0)
  for (const peerId of ['one', 'two', 'three']) link(peerId)
  listed('one')
  listed('one')
  expect([heldPast(), held()]).toEqual([1, 1])
  asked('two')
  expect(heldPast()).toBe(1)
  gone('three')
  expect([heldPast(), held()]).toEqual([0, 1])
  askedAgain(['one'])
  expect([heldPast(), held()]).toEqual([0, 1])
  asked('one')
  expect(held()).toBe(0)
})

test('they are held for each new peer until it has been asked, for five seconds from the first link on', () => {
  const { link, asked, held } = rounds()
  link('one')
  asked('one')
  vi.advanceTimersByTime(4_900)
  expect([link('other'), held()]).toEqual([false, 1])
  expect([link('one'), held()]).toEqual([false, 1])
  asked('other')
  expect([link('other'), held()]).toEqual([false, 0])
  vi.advanceTimersByTime(100)
  expect([link('third'), held()]).toEqual([false, 0])
})

test('they are held again after a time without any link, and not for a peer that leaves or keeps no messages', () => {
  const { link, gone, held } = rounds()
  link('one')
  gone('one')
  expect(held()).toBe(0)
  link('stranger', ['libp2p'], [], false)
  expect(held()).toBe(1)
  link('stranger', ['libp2p'], ['/meshsub/1.1.0'])
  expect(held()).toBe(0)
  gone('stranger')
  link('one')
  expect(held()).toBe(1)
})

test('they are held for the first peer that keeps messages, though one that keeps none was linked before it', () => {
  const { link, asked, gone, held } = rounds()
  link('stranger', ['libp2p'], [], false)
  expect([link('stranger', ['libp2p'], ['/meshsub/1.1.0']), held()]).toEqual([false, 0])
  expect([link('one', ['libp2p']), held()]).toEqual([true, 1])
  link('stranger', ['libp2p'], ['/meshsub/1.1.0'])
  gone('stranger')
  expect(held()).toBe(1)
  asked('one')
  vi.advanceTimersByTime(5_000)
  expect([link('other', ['libp2p']), held()]).toEqual([false, 0])
})

test('a bridge that is back in one of its networks holds them, also if the peer was linked in the other', () => {
  const { link, asked, held } = rounds({ bridge, topics: [] })
  link('one', ['libp2p'])
  asked('one')
  expect(held()).toBe(0)
  expect([link('one', ['libp2p', 'custom']), held()]).toEqual([true, 1])
  asked('one')
  vi.advanceTimersByTime(5_000)
  expect([link('other', ['custom']), held()]).toEqual([false, 0])
})

test('they stay held for peers that are to be asked again, and are not held for them later', () => {
  const { link, asked, askedAgain, held } = rounds({ bridge, topics: [] })
  link('one')
  link('other')
  asked('one')
  askedAgain(['one', 'other'])
  asked('other')
  expect(held()).toBe(1)
  asked('one')
  expect(held()).toBe(0)
  askedAgain(['one', 'other'])
  expect(held()).toBe(0)
  expect(link('other', ['custom', 'libp2p'])).toBe(true)
  asked('other')
  expect(held()).toBe(0)
})

test('a gateway that has joined no topic holds none, nor one that stops', async () => {
  const idle = rounds({ topics: [] })
  idle.link('one')
  await expect.poll(idle.held).toBe(0)
  const stopping = rounds()
  stopping.link('one')
  stopping.stop()
  expect(stopping.held()).toBe(0)
})

test('strangers that come and go without telling of themselves hold them once a minute, and a peer that keeps messages at any time', () => {
  const { link, gone, held } = rounds()
  for (const peerId of ['a', 'b', 'c']) {
    link(peerId, ['libp2p'], [], false)
    expect(held()).toBe(peerId === 'a' ? 1 : 0)
    gone(peerId)
  }
  link('one', ['libp2p'], [], false)
  expect([held(), link('one', ['libp2p']), held()]).toEqual([0, true, 1])
  gone('one')
  vi.advanceTimersByTime(60_000)
  link('d', ['libp2p'], [], false)
  expect(held()).toBe(1)
})
