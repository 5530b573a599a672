import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSilentLinks, type WatchedLink } from '../../src/engine/silent-links.ts'
import type { AddressSource } from '../../src/model/peer.ts'
import { silentLog } from '../fixtures/log.ts'
import { leapClock } from '../fixtures/stand-still.ts'

const doubtedLinkMs = 8_000
const id = '12D3KooWHyCcNwUGy2Jygot4vkQKpxovWTjMP6Gep3coSkQMhUYc'
const relayId = '12D3KooWEBPjSKpdhLxUreLgb8dCbUcWac4sJARLm5oCNg22VYEw'
const address = `/ip4/192.0.2.1/tcp/1/p2p/${id}`
const named = `/dns4/peer.example/tcp/1/p2p/${id}`
const relayed = `/ip4/192.0.2.1/tcp/1/p2p/${relayId}/p2p-circuit/p2p/${id}`

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

async function later(ms: number, signal: AbortSignal): Promise<void> {
  if (ms === 0) return
  await new Promise<void>((resolve, reject) => {
    setTimeout(resolve, ms)
    signal.addEventListener('abort', () => reject(signal.reason))
  })
}

/** A link to one peer, which answers pings and dials as it is told. */
function peer({ multiaddr = address, answersPings = false, answersDials = false, source = 'learnt' }: PeerOptions = {}) {
  const calls: string[] = []
  const asked: string[] = []
  const start = performance.now()
  const state = {
    answersPings,
    answersDials,
    isLinked: true,
    isSettled: false,
    isWanted: true,
    heardAt: start,
    isHeardMeanwhile: false,
    /** It answers pings from when it has answered a dial. */
    wasStopped: false,
    /** Milliseconds that it takes for any answer. */
    answersAfterMs: 0,
  }
  const answer = async (name: string, isAnswered: boolean) => {
    calls.push(name)
    if (!isAnswered) throw new Error('nobody answered')
  }
  const link: WatchedLink = {
    peerId: 'other',
    multiaddr,
    get heardAt() {
      return state.heardAt
    },
    async ping(signal) {
      await answer('ping', state.answersPings)
      await later(state.answersAfterMs, signal)
      state.heardAt = performance.now()
    },
    cut() {
      calls.push('cut')
      state.isLinked = false
    },
  }
  const silentLinks = createSilentLinks(
    { limits: { doubtedLinkMs } },
    {
      links: () => (state.isLinked ? [link] : []),
      isSettled: () => state.isSettled || state.isLinked,
      isWanted: () => state.isWanted && !state.isLinked,
      policy: {
        asking(where) {
          asked.push(where)
          return { [Symbol.dispose]: () => undefined }
        },
        sourceOf: () => source,
      },
      async prove(_where, signal) {
        await answer('prove', state.answersDials)
        await later(state.answersAfterMs, signal)
        if (state.isHeardMeanwhile) state.heardAt = performance.now()
        if (state.wasStopped) state.answersPings = true
      },
      async dial() {
        await answer('dial', state.answersDials)
        state.isLinked = true
        state.heardAt = performance.now()
      },
      logger: silentLog,
    },
  )
  silentLinks.start()
  return { calls, asked, state, silentLinks }
}

interface PeerOptions {
  multiaddr?: string
  answersPings?: boolean
  answersDials?: boolean
  source?: AddressSource
}

test('a link whose peer answers pings is left alone, however quiet it is', async () => {
  const { calls, silentLinks } = peer({ answersPings: true, answersDials: true })
  await vi.advanceTimersByTimeAsync(60_000)
  expect(new Set(calls)).toEqual(new Set(['ping']))
  await silentLinks.stop()
})

test('a link that is mute while its peer answers beside it is cut, and its peer dialled', async () => {
  const { calls, silentLinks } = peer({ answersDials: true })
  await vi.advanceTimersByTimeAsync(10_000)
  expect(calls.filter((call) => call !== 'ping')).toEqual(['prove', 'cut', 'dial'])
  await silentLinks.stop()
})

test('time in which this process stands still is no silence of its peers', async () => {
  for (const multiaddr of [address, relayed]) {
    const { calls, state, silentLinks } = peer({ multiaddr, answersPings: true, answersDials: true })
    await vi.advanceTimersByTimeAsync(4_500)
    leapClock(30_000)
    await vi.advanceTimersByTimeAsync(4_000)
    // It ends after another pause.
    leapClock(30_000)
    state.isLinked = false
    await vi.advanceTimersByTimeAsync(4_000)
    expect(calls.filter((call) => call !== 'ping')).toEqual([])
    await silentLinks.stop()
  }
})

test('a link that is mute after this process has stood still is replaced as any other', async () => {
  const { calls, silentLinks } = peer({ answersDials: true })
  await vi.advanceTimersByTimeAsync(1_000)
  leapClock(30_000)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(calls.filter((call) => call !== 'ping')).toEqual(['prove', 'cut', 'dial'])
  await silentLinks.stop()
})

test('a link whose peer answers nowhere is kept, and its peer tried until it answers', async () => {
  const { calls, state, silentLinks } = peer()
  await vi.advanceTimersByTimeAsync(25_000)
  expect(calls).toContain('prove')
  expect(calls).not.toContain('cut')
  state.answersDials = true
  await vi.advanceTimersByTimeAsync(2_000)
  expect(calls.slice(-2)).toEqual(['cut', 'dial'])
  await silentLinks.stop()
})

test('a link that is heard while its peer is tried is kept: the peer was busy', async () => {
  const { calls, state, silentLinks } = peer({ answersDials: true })
  state.isHeardMeanwhile = true
  await vi.advanceTimersByTimeAsync(60_000)
  expect(calls).toContain('prove')
  expect(calls).not.toContain('cut')
  await silentLinks.stop()
})

test('a doubted link that has ended has its peer dialled until there is a link, or none is wanted', async () => {
  const { calls, state, silentLinks } = peer()
  await vi.advanceTimersByTimeAsync(12_000)
  state.isLinked = false
  await vi.advanceTimersByTimeAsync(30_000)
  expect(calls).toContain('dial')
  state.answersDials = true
  await vi.advanceTimersByTimeAsync(2_000)
  expect(state.isLinked).toBe(true)

  Object.assign(state, { answersDials: false, heardAt: performance.now() - doubtedLinkMs })
  await vi.advanceTimersByTimeAsync(2_000)
  Object.assign(state, { isLinked: false, isSettled: true })
  await vi.advanceTimersByTimeAsync(2_000)
  Object.assign(state, { isSettled: false })
  calls.length = 0
  await vi.advanceTimersByTimeAsync(60_000)
  expect(calls).toEqual([])
  await silentLinks.stop()
})

test('a doubted link that has ended has its peer dialled when that may be dialled again, for five minutes', async () => {
  const { calls, state, silentLinks } = peer()
  await vi.advanceTimersByTimeAsync(12_000)
  Object.assign(state, { isLinked: false, isWanted: false })
  calls.length = 0
  await vi.advanceTimersByTimeAsync(30_000)
  expect(calls).toEqual([])
  state.isWanted = true
  await vi.advanceTimersByTimeAsync(2_000)
  expect(calls).toContain('dial')
  await vi.advanceTimersByTimeAsync(300_000)
  calls.length = 0
  await vi.advanceTimersByTimeAsync(60_000)
  expect(calls).toEqual([])
  await silentLinks.stop()
})

test('a link through a relay that ends while it is quiet has its peer dialled; one that ends while it is heard has not, nor has a direct one', async () => {
  for (const [multiaddr, quietMs, dials] of [
    [relayed, 5_000, ['dial']],
    [relayed, 1_000, []],
    [address, 5_000, []],
  ] as const) {
    const { calls, state, silentLinks } = peer({ multiaddr, answersDials: true })
    await vi.advanceTimersByTimeAsync(2_000)
    Object.assign(state, { isLinked: false, heardAt: performance.now() - quietMs })
    await vi.advanceTimersByTimeAsync(4_000)
    expect(calls.filter((call) => call !== 'ping')).toEqual(dials)
    await silentLinks.stop()
  }
})

test.each([0, 1_500])(
  'a peer that was stopped, and answers the dial beside its link before it answers there, each after %i ms, keeps the link',
  async (answersAfterMs) => {
    const { calls, state, silentLinks } = peer()
    await vi.advanceTimersByTimeAsync(20_000)
    Object.assign(state, { answersDials: true, wasStopped: true, answersAfterMs })
    await vi.advanceTimersByTimeAsync(60_000)
    expect(calls).not.toContain('cut')
    await silentLinks.stop()
  },
)

test('a name that nobody here has given is dialled on the word of who told it, since it may lead elsewhere by now', async () => {
  for (const [options, isAsked] of [
    [{ multiaddr: named, source: 'learnt' }, false],
    [{ multiaddr: named, source: 'mdns' }, false],
    [{ multiaddr: named, source: 'configured' }, true],
    [{ multiaddr: named, source: 'rest' }, true],
    [{ multiaddr: address, source: 'learnt' }, true],
    [{ multiaddr: relayed, source: 'learnt' }, true],
    [{ multiaddr: relayed.replace('ip4/192.0.2.1', 'dns4/relay.example'), source: 'learnt' }, false],
  ] as const) {
    const { calls, asked, silentLinks } = peer(options)
    await vi.advanceTimersByTimeAsync(12_000)
    expect(calls).toContain('prove')
    expect(asked.length > 0).toBe(isAsked)
    await silentLinks.stop()
  }
})

test('many links to one host that fell mute leave places to dial the peers of others, and each has its turn', async () => {
  const tried: string[] = []
  const heardAt = performance.now() - 1_000_000
  const peers = Array.from({ length: 100 }, (_, number) => ({
    peerId: `stranger ${number}`,
    multiaddr: address.replace('tcp/1', `tcp/${number + 1}`),
  }))
  peers.push({ peerId: 'other', multiaddr: address.replace('192.0.2.1', '198.51.100.1') })
  const silentLinks = createSilentLinks(
    { limits: { doubtedLinkMs } },
    {
      links: () => peers.map((each) => ({ ...each, heardAt, ping: () => Promise.reject(new Error('mute')), cut: () => undefined })),
      isSettled: () => true,
      isWanted: () => false,
      policy: { asking: () => ({ [Symbol.dispose]: () => undefined }), sourceOf: () => 'learnt' },
      async prove(multiaddr) {
        tried.push(multiaddr)
        await new Promise((_, reject) => setTimeout(reject, 2_500, new Error('nobody answered')))
      },
      dial: async () => undefined,
      logger: silentLog,
    },
  )
  silentLinks.start()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(tried.filter((each) => each.includes('198.51.100.1'))).toHaveLength(1)
  expect(tried.length).toBeLessThan(16)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(tried.filter((each) => each.includes('198.51.100.1')).length).toBeGreaterThan(1)
  expect(new Set(tried).size).toBeGreaterThan(50)
  const stopped = silentLinks.stop()
  await vi.advanceTimersByTimeAsync(3_000)
  await stopped
})

test('the peers of a thousand doubted links are remembered, and not of one more', async () => {
  const start = performance.now()
  const links = Array.from({ length: 1_001 }, (_, number): WatchedLink => {
    const multiaddr = `/ip4/10.0.${number >> 8}.${number & 255}/tcp/1/p2p/${id}`
    const ping = () => Promise.reject(new Error('nobody answered'))
    return { peerId: `${number}`, multiaddr, heardAt: start, ping, cut: () => undefined }
  })
  let areThere = true
  const dialled = new Set<string>()
  const silentLinks = createSilentLinks(
    { limits: { doubtedLinkMs } },
    {
      links: () => (areThere ? links : []),
      isSettled: () => areThere,
      isWanted: () => !areThere,
      policy: { asking: () => ({ [Symbol.dispose]: () => undefined }), sourceOf: () => 'learnt' },
      prove: () => Promise.reject(new Error('nobody answered')),
      dial(multiaddr) {
        dialled.add(multiaddr)
        return Promise.reject(new Error('nobody answered'))
      },
      logger: silentLog,
    },
  )
  silentLinks.start()
  await vi.advanceTimersByTimeAsync(12_000)
  areThere = false
  await vi.advanceTimersByTimeAsync(120_000)
  expect(dialled.size).toBe(1_000)
  await silentLinks.stop()
})
