import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import type { Meeting } from '../../../../src/engine/custom/link/link-handshake.ts'
import { createDirectPath, type DirectPath, type SeenAt } from '../../../../src/engine/custom/reach/direct-path.ts'
import { directPathProtocol } from '../../../../src/engine/custom/reach/protocols.ts'
import { silentLog } from '../../../fixtures/log.ts'

/** Two ends of relayed links, and a relay between them, on a clock of their own. */

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const roundTripMs = 80
const addresses: Record<string, SeenAt> = { a: { ip: '8.8.4.1', port: 4_001 }, b: { ip: '8.8.4.2', port: 4_002 } }
const relay = { peerId: 'relay', localPort: 5_000 } as Link

interface Met {
  by: string
  at: SeenAt
  side: Meeting
  now: number
}

function pair(init: { meets?: boolean; canShare?: boolean; isShown?: boolean } = {}) {
  const state = {
    now: 0,
    met: [] as Met[],
    shown: [] as string[],
    ended: [] as string[],
    dialled: [] as string[],
    isShown: init.isShown ?? true,
    meets: init.meets ?? true,
  }
  const ends: Record<string, DirectPath> = {}
  const over = { ...relay, localPort: init.canShare === false ? undefined : relay.localPort } as Link
  const stopping = new AbortController()

  function end(name: string, other: string, direction: Link['direction']): DirectPath {
    const link = {
      peerId: other,
      direction,
      isRelayed: true,
      remote: '/through/the/relay',
      hello: { protocols: [directPathProtocol] },
      ping: async () => roundTripMs,
      request: async (_protocol: string, body: Uint8Array) =>
        await ends[other]?.handle({ from: name, body: Buffer.from(body), signal: stopping.signal }),
    } as unknown
    return createDirectPath({
      links: { get: () => link as Link, all: [link as Link] },
      relayOf: () => over,
      show(_relay, peerId) {
        state.shown.push(name)
        const at = addresses[name]
        if (state.isShown && at !== undefined) ends[peerId]?.seen(relay, name, at)
      },
      async meet(at, _relay, side) {
        state.met.push({ by: name, at, side, now: state.now })
        if (!state.meets) throw new Error('nobody came')
      },
      dialOwn: async ({ peerId }) => void state.dialled.push(`${name} dials ${peerId} after ${state.ended.length}`),
      onEnd: (outcome) => void state.ended.push(`${name} ${outcome}`),
      stopping: () => stopping.signal,
      logger: silentLog,
      now: () => state.now,
      random: () => 1,
    })
  }
  const a = end('a', 'b', 'outbound')
  const b = end('b', 'a', 'inbound')
  Object.assign(ends, { a, b })
  return {
    a,
    b,
    state,
    /** Lets time pass for both ends. */
    async pass(ms: number) {
      for (let turn = 0; turn < 5; turn++) await nextTurn()
      state.now += ms
      await vi.advanceTimersByTimeAsync(ms)
      for (let turn = 0; turn < 5; turn++) await nextTurn()
    },
  }
}

describe('two ends of a relayed link', () => {
  test('connect at the addresses that the relay showed, from the port of the link to it, half a round trip apart', async () => {
    const { a, b, state, pass } = pair()
    a.step()
    b.step()
    await pass(roundTripMs / 2 - 1)
    const follows = { role: 'responder', expectedPeerId: 'a', localPort: 5_000, dialledAt: '/through/the/relay' }
    expect(state.met).toEqual([{ by: 'b', at: addresses.a, side: follows, now: 0 }])
    await pass(1)
    const begins = { role: 'initiator', expectedPeerId: 'b', localPort: 5_000, dialledAt: '/through/the/relay' }
    expect(state.met[1]).toEqual({ by: 'a', at: addresses.b, side: begins, now: roundTripMs / 2 })
    expect([a.size, b.size]).toEqual([0, 0])
    expect(state.ended).toEqual(['b succeeded', 'a succeeded'])
    expect(state.dialled).toEqual([])
  })

  test('dial the addresses that the other listens on when they have not met', async () => {
    const { a, state, pass } = pair({ meets: false })
    a.step()
    await pass(roundTripMs)
    expect(state.dialled).toEqual(['b dials a after 1', 'a dials b after 2'])
  })

  test('try three times, with growing pauses, then not for an hour', async () => {
    const { a, state, pass } = pair({ meets: false })
    const tries = () => state.met.filter(({ by }) => by === 'a').map(({ now }) => Math.floor(now / 1_000))
    for (let second = 0; second < 3_640; second++) {
      a.step()
      await pass(1_000)
    }
    expect(tries()).toEqual([1, 12, 33, 3_634])
  })

  test('do not try when the port of the link to the relay cannot be shared, and nobody is asked', async () => {
    const { a, b, state, pass } = pair({ canShare: false })
    a.step()
    await pass(1_000)
    expect(state.shown).toEqual([])
    await expect(b.handle({ from: 'a', body: Buffer.alloc(0), signal: AbortSignal.timeout(1_000) })).rejects.toThrow(/can be shared/)
  })

  test('wait eight seconds for the address of the other, and connect to nobody without it', async () => {
    const { a, b, state, pass } = pair({ isShown: false })
    a.step()
    await pass(7_999)
    expect([a.size, b.size]).toEqual([1, 1])
    await pass(1)
    expect([a.size, b.size]).toEqual([0, 0])
    expect(state.met).toEqual([])
    expect(state.ended.toSorted()).toEqual(['a failed', 'b failed'])
  })
})

describe('a node', () => {
  test('takes the address of a peer only from the relay that it asked, and only during an attempt', async () => {
    const { a, b, state, pass } = pair({ isShown: false })
    const at = { ip: '8.8.8.8', port: 22 }
    expect(a.seen(relay, 'b', at)).toBe(false)
    a.step()
    await pass(0)
    expect(a.seen({ ...relay, peerId: 'another' } as Link, 'b', at)).toBe(false)
    expect(b.seen(relay, 'somebody', at)).toBe(false)
    await pass(100)
    expect(state.met).toEqual([])
  })

  test('takes part in four attempts of a peer at once, then in one in ten minutes', async () => {
    const { b, state, pass } = pair({ meets: false })
    const ask = async () => {
      const asked = b.handle({ from: 'a', body: Buffer.alloc(0), signal: AbortSignal.timeout(60_000) })
      const taken = await asked.then(
        () => true,
        () => false,
      )
      if (taken) b.seen(relay, 'a', { ip: '8.8.4.1', port: 1 })
      await pass(0)
      return taken
    }
    const answers: boolean[] = []
    for (let count = 0; count < 5; count++) answers.push(await ask())
    expect(answers).toEqual([true, true, true, true, false])
    await pass(600_000)
    expect([await ask(), await ask()]).toEqual([true, false])
    expect(state.met).toHaveLength(5)
  })
})
