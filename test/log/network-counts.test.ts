import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createNetworkCounts } from '../../src/log/network-counts.ts'
import type { StoredMessage } from '../../src/model/message.ts'
import { createMemoryDisk } from '../fixtures/memory-store.ts'
import { someAuthor } from '../fixtures/messages.ts'
import { bridgeOutbound, outbound } from './outbound-for-test.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] }))
afterEach(() => void vi.useRealTimers())

const { unsentWindowMs } = defaultLimits
const none = { no_subscriber: 0, too_large: 0 }

describe('the counts of a network', () => {
  test('have the topics that wait, and the messages that were given up after the window', async () => {
    const { append, message, parts, pass } = await outbound()
    await append(message('one'), message('two'), message('elsewhere', { topic: 'news' }))
    expect(parts.networks).toEqual([{ network: 'memory', waiting: 2, bridged: 0, givenUp: none }])
    await pass(unsentWindowMs - 2_000)
    expect(parts.networks).toMatchObject([{ waiting: 2, givenUp: none }])
    await pass(4_000)
    expect(parts.networks).toMatchObject([{ waiting: 0, givenUp: { no_subscriber: 3, too_large: 0 } }])
  })

  test('have what is too large for all subscribers as given up at once, by the reason', async () => {
    const { engine, append, message, parts } = await outbound()
    engine.subscribers = ['peer']
    engine.takes = 0
    engine.maxBytes = 10
    await append(message('short'), message('longer than ten'))
    expect(parts.networks).toMatchObject([{ waiting: 0, givenUp: { no_subscriber: 0, too_large: 1 } }])
    // One of them takes it.
    engine.takes = 1
    await append(message('longer than ten'))
    expect(parts.networks).toMatchObject([{ waiting: 0, givenUp: { no_subscriber: 0, too_large: 1 } }])
  })

  test('do not have what was taken meanwhile', async () => {
    const { engine, append, message, parts, pass } = await outbound()
    await append(message('one'))
    engine.subscribers = ['peer']
    await append(message('two'))
    engine.subscribers = []
    await append(message('three'))
    await pass(unsentWindowMs + 2_000)
    expect(parts.networks).toMatchObject([{ waiting: 0, givenUp: { no_subscriber: 1, too_large: 0 } }])
  })

  test('do not have what a subscriber that reads slowly is fed', async () => {
    const { engine, append, message, parts, pass } = await outbound()
    const first = message('one')
    await append(first)
    engine.subscribers = ['slow']
    engine.takes = 0
    engine.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    await append(message('two'))
    expect(parts.networks).toMatchObject([{ waiting: 0 }])
    engine.subscribers = []
    await append(message('three'))
    await pass(unsentWindowMs + 2_000)
    expect(parts.networks).toMatchObject([{ waiting: 0, givenUp: { no_subscriber: 1, too_large: 0 } }])
  })

  test('have what waited before a restart', async () => {
    const disk = createMemoryDisk()
    const first = await outbound(disk)
    await first.append(first.message('one'), first.message('two'))
    await first.parts.stop()
    const { parts, pass } = await outbound(disk)
    expect(parts.networks).toMatchObject([{ waiting: 1, givenUp: none }])
    await pass(unsentWindowMs + 2_000)
    expect(parts.networks).toMatchObject([{ waiting: 0, givenUp: { no_subscriber: 2, too_large: 0 } }])
  })

  test('have the messages of others that a bridge handed on, at once or after they had waited', async () => {
    const { custom, libp2p, append, message, parts } = await bridgeOutbound()
    const inNetworks = () => parts.networks.map(({ network, waiting, bridged }) => [network, waiting, bridged])
    const waits = message('waits', { from: someAuthor })
    parts.cameFrom(waits.id, 'custom')
    await append(waits, message('own'))
    expect(inNetworks()).toEqual([
      ['custom', 1, 0],
      ['libp2p', 1, 0],
    ])
    custom.subscribers = libp2p.subscribers = ['peer']
    const later = message('later', { from: someAuthor })
    parts.cameFrom(later.id, 'custom')
    await append(later)
    expect(inNetworks()).toEqual([
      ['custom', 1, 0],
      ['libp2p', 0, 2],
    ])
  })

  test('have what a subscriber that reads slowly is fed later, but not what is too large', async () => {
    const { libp2p, append, message, parts } = await bridgeOutbound()
    libp2p.subscribers = ['slow']
    libp2p.takes = 0
    libp2p.maxBytes = 10
    await append(message('short', { from: someAuthor }), message('longer than ten', { from: someAuthor }))
    expect(parts.networks[1]).toMatchObject({ bridged: 1, givenUp: { no_subscriber: 0, too_large: 1 } })
  })
})

describe('waiting messages', () => {
  const setUp = () => createNetworkCounts({ peerId: 'us', windowMs: 1_000 }, { network: {} })
  const storedAt = (...times: number[]): StoredMessage[] => times.map((at) => Object({ topic: 'orders', storedAt: at }))

  test('are given up with those that were stored in the same tenth of the window', () => {
    const counts = setUp()
    counts.wait(storedAt(0, 99, 100, 199, 200))
    counts.giveUp('orders', 99)
    expect(counts.givenUp.no_subscriber).toBe(0)
    counts.giveUp('orders', 150)
    expect(counts.givenUp.no_subscriber).toBe(2)
    counts.giveUp('orders')
    counts.giveUp('orders')
    expect(counts.givenUp.no_subscriber).toBe(5)
  })

  test('are handed over from the first one on', () => {
    const counts = setUp()
    counts.wait(storedAt(0, 50, 100, 150))
    counts.waited('orders', 3)
    counts.giveUp('orders', 150)
    expect(counts.givenUp.no_subscriber).toBe(0)
    counts.giveUp('orders', 151)
    expect(counts.givenUp.no_subscriber).toBe(1)
    counts.wait(storedAt(200))
    counts.waited('orders')
    counts.giveUp('orders')
    expect(counts.givenUp.no_subscriber).toBe(1)
  })

  test('are in at most twelve groups, of which the last one grows', () => {
    const counts = setUp()
    counts.wait(storedAt(...Array.from({ length: 20 }, (_, tenth) => tenth * 100)))
    counts.giveUp('orders', 1_500)
    expect(counts.givenUp.no_subscriber).toBe(11)
    counts.giveUp('orders', 1_901)
    expect(counts.givenUp.no_subscriber).toBe(20)
  })
})
