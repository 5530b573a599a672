import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { defaultLimits } from '../../src/limits.ts'
import { createMemoryDisk } from '../fixtures/memory-store.ts'
import { someAuthor } from '../fixtures/messages.ts'
import { bridgeOutbound } from './outbound-for-test.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'Date'] }))
afterEach(() => void vi.useRealTimers())

const settledMs = defaultLimits.sentWindowMs + 2_000

/** A bridge with a subscriber in each network. */
async function subscribed() {
  const bridge = await bridgeOutbound()
  bridge.custom.subscribers = ['one']
  bridge.libp2p.subscribers = ['other']
  return bridge
}

describe('a message of the node itself', () => {
  test('goes to both networks, whatever the bridge carries', async () => {
    const { custom, libp2p, append, message } = await subscribed()
    expect([...(await append(message('ours'), message('of another topic', { topic: 'secret' })))]).toEqual([
      [1, 2],
      [2, 2],
    ])
    expect([custom.sent, libp2p.sent]).toEqual([
      ['ours', 'of another topic'],
      ['ours', 'of another topic'],
    ])
  })

  test('counts a peer that is linked on both networks once', async () => {
    const { custom, libp2p, append, message } = await subscribed()
    custom.subscribers = ['one', 'on both']
    libp2p.subscribers = ['on both', 'other', 'third']
    expect([...(await append(message('ours')))]).toEqual([[1, 4]])
  })

  test('that a peer gave back goes to neither', async () => {
    const { custom, libp2p, append, message } = await subscribed()
    await append(message('given back', { firstSeenAt: Date.now() }))
    expect([custom.sent, libp2p.sent]).toEqual([[], []])
  })
})

describe('a message of another author', () => {
  test('goes to the network that it did not come from, and is not counted', async () => {
    const { parts, custom, libp2p, append, message } = await subscribed()
    const [left, right] = [message('from custom', { from: someAuthor }), message('from libp2p', { from: someAuthor })]
    expect(parts.cameFrom(left.id, 'custom')).toBe(true)
    expect(parts.cameFrom(right.id, 'libp2p')).toBe(true)
    expect([...(await append(left, right))]).toEqual([])
    expect([custom.sent, libp2p.sent]).toEqual([['from libp2p'], ['from custom']])
  })

  test('goes to neither when both brought it', async () => {
    const { parts, custom, libp2p, append, message } = await subscribed()
    const both = message('from both', { from: someAuthor })
    for (const network of ['custom', 'libp2p'] as const) expect(parts.cameFrom(both.id, network)).toBe(true)
    await append(both)
    expect([custom.sent, libp2p.sent]).toEqual([[], []])
  })

  test('is not forwarded by a network that was handed it before its copy arrives', async () => {
    const { parts, append, message } = await subscribed()
    const first = message('first', { from: someAuthor })
    parts.cameFrom(first.id, 'custom')
    await append(first)
    expect(parts.cameFrom(first.id, 'libp2p')).toBe(false)
  })

  test('goes to a network whose copy of it was not taken', async () => {
    const { parts, libp2p, append, message } = await subscribed()
    const late = message('late', { from: someAuthor })
    parts.cameFrom(late.id, 'custom')
    parts.cameFrom(late.id, 'libp2p')
    parts.notFrom(late.id, 'libp2p')
    await append(late)
    expect(libp2p.sent).toEqual(['late'])
  })

  test('stays in its network when the bridge does not carry its topic', async () => {
    const { parts, custom, libp2p, append, message } = await subscribed()
    const secret = message('secret', { from: someAuthor, topic: 'secret' })
    parts.cameFrom(secret.id, 'custom')
    await append(secret, message('unknown origin', { from: someAuthor, topic: 'secret' }))
    expect([custom.sent, libp2p.sent]).toEqual([[], []])
  })

  test('that a peer had kept crosses like a live one', async () => {
    const { parts, custom, libp2p, append, message } = await subscribed()
    const past = message('past', { from: someAuthor, firstSeenAt: Date.now() })
    parts.cameFrom(past.id, 'custom')
    await append(past)
    expect([custom.sent, libp2p.sent]).toEqual([[], ['past']])
  })
})

describe('a straggler of one network', () => {
  test('is fed what its network has: live messages of both, and what was fetched from the other', async () => {
    const { parts, libp2p, append, message, pass } = await subscribed()
    const first = message('ours')
    const [own, other] = [
      message('past here', { from: someAuthor, firstSeenAt: Date.now() }),
      message('past there', { from: someAuthor, firstSeenAt: Date.now() }),
    ]
    parts.cameFrom(own.id, 'libp2p')
    parts.cameFrom(other.id, 'custom')
    const secret = message('secret here', { from: someAuthor, topic: 'secret' })
    parts.cameFrom(secret.id, 'libp2p')
    await append(
      first,
      message('live', { from: someAuthor }),
      own,
      other,
      secret,
      message('secret there', { from: someAuthor, topic: 'secret' }),
    )
    libp2p.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    libp2p.listener({ type: 'peer:room', peerId: 'slow' })
    await pass(0)
    expect(libp2p.fed).toEqual(['ours', 'live', 'past there', 'secret here'])
  })
})

describe('the marks of a bridge', () => {
  test('are one for each network; the lower one is that of the node', async () => {
    const { custom, append, message, mark, pass } = await bridgeOutbound()
    custom.subscribers = ['one']
    await append(message('waits in libp2p'))
    await pass(settledMs)
    expect([await mark('/custom'), await mark('/libp2p'), await mark()]).toEqual([1, 0, 0])
  })

  test('are not held by a straggler of the other network', async () => {
    const { custom, libp2p, append, message, mark, pass } = await bridgeOutbound()
    custom.subscribers = ['one']
    libp2p.subscribers = ['slow']
    libp2p.room = 0
    const first = message('first')
    libp2p.listener({ type: 'peer:behind', peerId: 'slow', since: first.id })
    await append(first, message('second'))
    await pass(settledMs)
    expect([await mark('/custom'), await mark('/libp2p'), await mark()]).toEqual([2, 0, 0])
  })

  test('let the next start send each network what it has not been handed, of all authors', async () => {
    const disk = createMemoryDisk()
    const killed = await bridgeOutbound(disk)
    killed.custom.subscribers = ['one']
    const foreign = killed.message('of another', { from: someAuthor })
    killed.parts.cameFrom(foreign.id, 'custom')
    await killed.append(killed.message('ours'), foreign)
    await killed.pass(settledMs)
    await killed.parts.stop()
    const next = await bridgeOutbound(disk)
    next.custom.subscribers = ['one']
    next.libp2p.subscribers = ['other']
    await next.pass(2_000)
    expect([next.custom.sent, next.libp2p.sent]).toEqual([[], ['ours', 'of another']])
    await next.pass(settledMs)
    expect([await next.mark('/libp2p'), await next.mark()]).toEqual([2, 2])
  })

  test('begin where the node was before it was a bridge', async () => {
    const disk = createMemoryDisk()
    const before = await bridgeOutbound(disk)
    await before.append(before.message('sent long ago'), before.message('not sent'))
    await before.parts.stop()
    await before.raise('', 1)
    const { custom, libp2p, pass } = await bridgeOutbound(disk)
    custom.subscribers = ['one']
    libp2p.subscribers = ['other']
    await pass(2_000)
    expect([custom.sent, libp2p.sent]).toEqual([['not sent'], ['not sent']])
  })
})

test('what was fetched and is old does not cross: gateways fetch it for themselves', async () => {
  const { custom, libp2p, append, message } = await subscribed()
  await append(message('old', { from: someAuthor, firstSeenAt: Date.now() - defaultLimits.unsentWindowMs - 1_000 }))
  expect([custom.sent, libp2p.sent]).toEqual([[], []])
})

test('topics that wait in both networks are counted once', async () => {
  const { custom, parts, append, message } = await bridgeOutbound()
  await append(message('to nobody'))
  expect(parts.waiting).toBe(1)
  custom.subscribers = ['one']
  await append(message('to one network', { topic: 'news' }))
  expect(parts.waiting).toBe(2)
})
