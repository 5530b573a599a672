import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import type { Meeting } from '../../../../src/engine/custom/link/link-handshake.ts'
import { createDirectPath, type DirectPath, type SeenAt } from '../../../../src/engine/custom/reach/direct-path.ts'
import { directPathProtocol } from '../../../../src/engine/custom/reach/protocols.ts'
import { orAborted } from '../../../../src/lib/deadline.ts'
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

function pair(init: { meets?: boolean; isMet?: boolean; canShare?: boolean; isShown?: boolean; dialsEnd?: boolean } = {}) {
  const state = {
    now: 0,
    met: [] as Met[],
    shown: [] as string[],
    ended: [] as string[],
    dialled: [] as string[],
    isShown: init.isShown ?? true,
    meets: init.meets ?? true,
    /** Whether a meeting ends before its signal fires. */
    isMet: init.isMet ?? true,
    dialsEnd: init.dialsEnd ?? true,
  }
  const ends: Record<string, DirectPath> = {}
  const links: Record<string, Link> = {}
  const over = { ...relay, localPort: init.canShare === false ? undefined : relay.localPort } as Link
  const stopping = new AbortController()

  /** A link that counts, in place of an earlier one. */
  function link(name: string, other: string, direction: Link['direction'], answers = true): void {
    const next = {
      peerId: other,
      direction,
      isRelayed: true,
      remote: '/through/the/relay',
      hello: { protocols: [directPathProtocol] },
      ping: (signal: AbortSignal) => (answers ? Promise.resolve(roundTripMs) : orAborted(new Promise<number>(() => undefined), signal)),
      request: async (_protocol: string, body: Uint8Array) =>
        await ends[other]?.handle({ from: name, body: Buffer.from(body), signal: stopping.signal }),
    } as unknown
    links[name] = next as Link
  }

  function end(name: string): DirectPath {
    return createDirectPath({
      links: {
        get: () => links[name],
        get all() {
          return Object.entries(links).flatMap(([of, each]) => (of === name ? [each] : []))
        },
      },
      relayOf: () => over,
      show(_relay, peerId) {
        state.shown.push(name)
        const at = addresses[name]
        if (state.isShown && at !== undefined) ends[peerId]?.seen(relay, name, at)
      },
      async meet(at, _relay, side, signal) {
        state.met.push({ by: name, at, side, now: state.now })
        if (!state.isMet) await orAborted(new Promise(() => undefined), signal)
        if (!state.meets) throw new Error('nobody came')
      },
      async dialOwn({ peerId }) {
        state.dialled.push(`${name} dials ${peerId} after ${state.ended.length}`)
        if (!state.dialsEnd) await new Promise(() => undefined)
      },
      onEnd: (outcome) => void state.ended.push(`${name} ${outcome}`),
      stopping: () => stopping.signal,
      logger: silentLog,
      now: () => state.now,
      random: () => 1,
    })
  }
  link('a', 'b', 'outbound')
  link('b', 'a', 'inbound')
  const a = end('a')
  const b = end('b')
  Object.assign(ends, { a, b })
  return {
    a,
    b,
    state,
    link,
    links,
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

  test('give the place of an attempt back after sixteen seconds, whatever becomes of these dials', async () => {
    const { a, b, state, pass } = pair({ isShown: false, dialsEnd: false })
    a.step()
    await pass(8_000)
    expect(state.dialled.toSorted()).toEqual(['a dials b after 1', 'b dials a after 2'])
    await pass(7_999)
    expect([a.size, b.size]).toEqual([1, 1])
    await pass(1)
    expect([a.size, b.size]).toEqual([0, 0])
  })

  test('try three times, with growing pauses, then not for an hour', async () => {
    const { a, state, pass } = pair({ meets: false })
    const tries = () => state.met.filter(({ by }) => by === 'a').map(({ now }) => Math.floor(now / 1_000))
    a.step()
    for (let second = 0; second < 60; second++) await pass(1_000)
    expect(tries()).toEqual([1, 3, 7])
    state.now += 3_540_000
    a.step()
    await pass(1_000)
    expect(tries()).toHaveLength(3)
    state.now += 60_000
    a.step()
    await pass(1_000)
    expect(tries()).toHaveLength(4)
  })

  test('try at once over a relayed link that is new, whatever failed before: a router or a relay has changed', async () => {
    const { a, state, link, links, pass } = pair({ meets: false })
    const relayed = () => links['a'] ?? expect.fail()
    a.step()
    for (let second = 0; second < 60; second++) await pass(1_000)
    expect(a.isSpent(relayed())).toBe(true)
    link('a', 'b', 'outbound')
    state.meets = true
    expect(a.isSpent(relayed())).toBe(false)
    a.step()
    await pass(1_000)
    expect(state.ended.slice(-2)).toEqual(['b succeeded', 'a succeeded'])
  })

  test.each<[string, (ends: ReturnType<typeof pair>) => void]>([
    ['before the other answers', ({ link }) => link('a', 'b', 'outbound')],
    [
      'that the other has dialled',
      ({ link }) => {
        link('a', 'b', 'inbound')
        link('b', 'a', 'outbound')
      },
    ],
  ])('begin again at once on a link that takes the place of the relayed one %s, and it counts as no failure', async (_, replace) => {
    const ends = pair()
    const { a, b, state, link, pass } = ends
    link('a', 'b', 'outbound', false)
    a.step()
    await pass(1_000)
    expect(state.shown).toEqual([])
    replace(ends)
    a.step()
    b.step()
    await pass(roundTripMs)
    expect(state.met.map(({ now }) => now)).toEqual([1_000, 1_000 + roundTripMs])
    expect(state.ended.map((text) => text.slice(2))).toEqual(['succeeded', 'succeeded'])
    expect([a.size, b.size]).toEqual([0, 0])
  })

  test('give up an attempt whose link was replaced before the address of the other came, and take part in the next', async () => {
    const { a, b, state, link, pass } = pair({ isShown: false })
    a.step()
    await pass(1_000)
    expect([a.size, b.size]).toEqual([1, 1])
    state.isShown = true
    link('b', 'a', 'inbound')
    b.step()
    link('a', 'b', 'outbound')
    a.step()
    await pass(roundTripMs)
    expect(state.ended).toEqual(['b succeeded', 'a succeeded'])
  })

  test.each<[string, number]>([
    ['has come to the connections', roundTripMs / 4],
    ['has an address that the other does not have yet', 0],
  ])('end an attempt that %s when its link is replaced by one of the same end', async (_, afterMs) => {
    const { a, b, state, link, pass } = pair({ isShown: afterMs > 0 })
    a.step()
    await pass(afterMs)
    link('a', 'b', 'outbound')
    link('b', 'a', 'inbound')
    state.isShown = true
    if (afterMs === 0) a.seen(relay, 'b', addresses.b as SeenAt)
    b.step()
    a.step()
    await pass(roundTripMs)
    await pass(roundTripMs)
    expect(state.ended).toEqual(['b succeeded', 'a succeeded'])
  })

  test('begin again at once when the link of an attempt that has come to the connections is replaced by one of the other end', async () => {
    const { a, b, state, link, pass } = pair({ isMet: false })
    a.step()
    await pass(roundTripMs)
    expect([a.size, b.size, state.met.length]).toEqual([1, 1, 2])
    link('a', 'b', 'inbound')
    link('b', 'a', 'outbound')
    state.isMet = true
    a.step()
    b.step()
    await pass(roundTripMs)
    expect(state.met.map(({ by, side }) => `${by} ${side.role}`)).toEqual(['b responder', 'a initiator', 'a responder', 'b initiator'])
    expect(state.ended).toEqual(['a succeeded', 'b succeeded'])
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

describe('there is no way over TCP', () => {
  const untried = { meets: false }
  test.each<[string, boolean, Parameters<typeof pair>[0], object]>([
    ['before an attempt, as far as an end knows: there may be one', false, untried, {}],
    ['to a peer that takes no part', true, untried, { hello: { protocols: [] } }],
    ['through a port that cannot be shared', true, { canShare: false }, {}],
  ])('%s', (_, expected, init, changes) => {
    const { a, links } = pair(init)
    expect(a.isSpent({ ...links.a, ...changes } as Link)).toBe(expected)
  })

  test('after a failure, and until an attempt succeeds', async () => {
    const { a, links, state, pass } = pair(untried)
    a.step()
    await pass(roundTripMs)
    expect(a.isSpent(links.a as Link)).toBe(true)
    state.meets = true
    await pass(2_001)
    await pass(roundTripMs)
    expect(state.ended.slice(2)).toEqual(['b succeeded', 'a succeeded'])
    expect(a.isSpent(links.a as Link)).toBe(false)
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

  test('ends an attempt that its peer has given up, by the next request, and it counts as no failure', async () => {
    const { b, state, pass } = pair()
    const ask = () => b.handle({ from: 'a', body: Buffer.alloc(0), signal: AbortSignal.timeout(60_000) })
    await ask()
    await ask()
    expect(b.size).toBe(1)
    expect(b.seen(relay, 'a', { ip: '8.8.4.1', port: 4_001 })).toBe(true)
    await pass(16_000)
    expect(state.met).toHaveLength(1)
    expect(state.ended).toEqual(['b succeeded'])
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

  test('takes part in any number of attempts that make a link', async () => {
    const { a, state, link, pass } = pair()
    for (let count = 0; count < 10; count++) {
      link('a', 'b', 'outbound')
      link('b', 'a', 'inbound')
      a.step()
      await pass(1_000)
    }
    expect(state.ended).toEqual(Array.from({ length: 10 }, () => ['b succeeded', 'a succeeded']).flat())
  })
})

test('peers that begin attempts and give no address leave places to those that this node begins', async () => {
  const linkOf = (peerId: string, direction: Link['direction']) => {
    const asked = { times: 0 }
    const link = {
      ...{ peerId, direction, isRelayed: true, remote: '/through/the/relay', hello: { protocols: [directPathProtocol] }, asked },
      ping: async () => roundTripMs,
      request: async () => {
        asked.times++
        return new Uint8Array()
      },
    } as unknown
    return link as Link & { asked: { times: number } }
  }
  const own = linkOf('own', 'outbound')
  const strangers = Array.from({ length: 20 }, (_, place) => linkOf(`stranger ${place}`, 'inbound'))
  const links = new Map([own, ...strangers].map((link) => [link.peerId, link]))
  const stopping = new AbortController()
  const path = createDirectPath({
    links: { get: (peerId) => links.get(peerId), all: [...links.values()] },
    relayOf: () => relay,
    show: () => undefined,
    meet: async () => undefined,
    dialOwn: async () => undefined,
    onEnd: () => undefined,
    stopping: () => stopping.signal,
    logger: silentLog,
    now: () => 0,
  })
  const asked = strangers.map(async ({ peerId: from }) => await path.handle({ from, body: Buffer.alloc(0), signal: stopping.signal }))
  const taken = (await Promise.allSettled(asked)).filter(({ status }) => status === 'fulfilled')
  expect([taken.length, path.size]).toEqual([6, 6])
  path.step()
  await vi.advanceTimersByTimeAsync(0)
  expect(own.asked.times).toBe(1)
  stopping.abort()
})
