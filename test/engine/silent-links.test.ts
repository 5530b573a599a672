import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createSilentLinks, type WatchedLink } from '../../src/engine/silent-links.ts'
import { silentLog } from '../fixtures/log.ts'

const doubtedLinkMs = 8_000
const address = '/ip4/192.0.2.1/tcp/1/p2p/other'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A link to one peer, which answers pings and dials as it is told. */
function peer({ answersPings = false, answersDials = false } = {}) {
  const calls: string[] = []
  const state = { answersPings, answersDials, isLinked: true, isWanted: true, heardAt: performance.now(), isHeardMeanwhile: false }
  const answer = async (name: string, isAnswered: boolean) => {
    calls.push(name)
    if (!isAnswered) throw new Error('nobody answered')
  }
  const link: WatchedLink = {
    peerId: 'other',
    multiaddr: address,
    get heardAt() {
      return state.heardAt
    },
    async ping() {
      await answer('ping', state.answersPings)
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
      isWanted: () => state.isWanted && !state.isLinked,
      async prove() {
        await answer('prove', state.answersDials)
        if (state.isHeardMeanwhile) state.heardAt = performance.now()
      },
      async dial() {
        await answer('dial', state.answersDials)
        state.isLinked = true
        state.heardAt = performance.now()
      },
      log: silentLog,
    },
  )
  silentLinks.start()
  return { calls, state, silentLinks }
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
  Object.assign(state, { isLinked: false, isWanted: false })
  await vi.advanceTimersByTimeAsync(2_000)
  calls.length = 0
  await vi.advanceTimersByTimeAsync(60_000)
  expect(calls).toEqual([])
  await silentLinks.stop()
})
