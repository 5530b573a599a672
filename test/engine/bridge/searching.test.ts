import { randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Carried, type Carry, decodeCarry, encodeCarried, newSearch } from '../../../src/engine/bridge/carry.ts'
import { nonceBytes, type Question, runBytes, sealAnswer, sealQuestion } from '../../../src/engine/bridge/envelopes.ts'
import { bridgeProtocol } from '../../../src/engine/bridge/protocols.ts'
import { createSearching } from '../../../src/engine/bridge/searching.ts'
import type { ConnectedPeer } from '../../../src/engine/engine.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const [asker, recipient] = [await createMemoryIdentity(), await createMemoryIdentity()]
const to = recipient.peerId
const ticketQuestion = { type: 'ticket', to, nonce: randomBytes(nonceBytes) } as const
const question = (fields: Question = ticketQuestion) => sealQuestion(fields, asker.seed)
const found = (name: string): Carried => ({ status: 'answered', envelope: expect.any(Uint8Array), route: [name] })
const noLink: Carried = { status: 'no_link' }

/** A bridge that has links to others, by their names. They answer what the test says; by default with the ticket. */
function bridgeBeside(names: string[], answer: (bridge: string, carry: Carry, over: AbortSignal) => Promise<Carried> = ticket) {
  const asked: string[] = []
  const state = { refused: 0 }
  const searching = createSearching({
    engine: {
      peerId: 'own',
      async request(bridge, _, body, { signal: over }) {
        asked.push(bridge)
        return encodeCarried(await answer(bridge, decodeCarry(body), over))
      },
    },
    beside: async () => names.map((peerId) => Object.assign(Object.create(null) as ConnectedPeer, { peerId, protocols: [bridgeProtocol] })),
    onRefused: () => state.refused++,
  })
  async function search({ search: one = newSearch(), ...changed }: Partial<Carry> = {}, from = 'asker'): Promise<Carried> {
    const envelope = changed.envelope ?? (await question())
    return await searching.search(from, { to, timeoutMs: 3_000, ...changed, envelope, search: one })
  }
  return { search, asked, state }
}

async function ticket(_: string, { envelope }: Carry): Promise<Carried> {
  const answer = { status: 'ticket' as const, run: randomBytes(runBytes), now: 1, key: randomBytes(32) }
  return { status: 'answered', envelope: await sealAnswer(answer, envelope, recipient.seed) }
}

const never = () => new Promise<Carried>(() => undefined)

describe('what a bridge searches for', () => {
  test('is the ticket of the peer that is named', async () => {
    const { search, asked } = bridgeBeside(['far'])
    const sealed = {
      type: 'request',
      to,
      nonce: randomBytes(16),
      run: randomBytes(16),
      until: 1,
      key: randomBytes(32),
      box: randomBytes(9),
    } as const
    expect(await search({ envelope: await question(sealed) })).toEqual(noLink)
    expect(await search({ envelope: await question({ ...ticketQuestion, to: asker.peerId }) })).toEqual(noLink)
    expect(await search({ envelope: randomBytes(100) })).toEqual(noLink)
    expect(asked).toEqual([])
    expect(await search()).toEqual(found('far'))
  })

  test('is searched for once', async () => {
    const { search, asked } = bridgeBeside(['far'])
    const same = newSearch()
    expect(await search({ search: same })).toEqual(found('far'))
    expect(await search({ search: same }, 'another')).toEqual(found('far'))
    expect(asked).toEqual(['far'])
  })

  test('is brought on every way on which it is searched for, whoever has sent the search ahead', async () => {
    const same = newSearch()
    const { search, asked } = bridgeBeside(['far'], async (bridge, carry) => {
      await new Promise(setImmediate)
      return carry.search?.hops === same.hops - 1 ? ticket(bridge, carry) : noLink
    })
    const ahead = [
      search({ search: same, envelope: randomBytes(100) }, 'hostile'),
      search({ search: { ...same, hops: 1 } }, 'hostile'),
      search({ search: same, timeoutMs: 260 }, 'hostile'),
      search({ search: same }, 'hostile'),
    ]
    expect(await Promise.all([search({ search: same }, 'one'), search({ search: same }, 'other')])).toEqual([found('far'), found('far')])
    expect((await Promise.all(ahead)).slice(0, 2)).toEqual([noLink, noLink])
    expect(asked.length).toBe(3)
  })

  test('is not what was answered by another peer, or names a way that leads back or too far', async () => {
    const ways: Record<string, string[]> = { back: ['own'], round: ['round'], long: Array.from({ length: 7 }, (_, place) => `b${place}`) }
    const { search, asked } = bridgeBeside(['back', 'round', 'long', 'other', 'good'], async (bridge, carry) => {
      const answer = await ticket(bridge, carry)
      if (bridge === 'other') return { status: 'answered', envelope: await sealAnswer({ status: 'stale' }, carry.envelope, asker.seed) }
      if (bridge === 'good') await new Promise(setImmediate)
      return { ...answer, ...(ways[bridge] === undefined ? {} : { route: ways[bridge] }) }
    })
    expect(await search()).toEqual(found('good'))
    expect(asked.length).toBe(5)
  })
})

describe('a search', () => {
  test('goes one bridge less far with each, and has less time', async () => {
    const handed: Carry[] = []
    const { search } = bridgeBeside(['far'], async (_, carry) => {
      handed.push(carry)
      return noLink
    })
    const of = (hops: number) => ({ ...newSearch(), hops })
    await search({ search: of(2), timeoutMs: 1_000 })
    await search({ search: of(1), timeoutMs: 60_000 })
    expect(handed.map(({ search: next, timeoutMs }) => [next?.hops, timeoutMs])).toEqual([
      [1, 750],
      [undefined, 2_750],
    ])
    expect(await search({ timeoutMs: 250 })).toEqual(noLink)
    expect(handed.length).toBe(2)
  })

  test('is of eight bridges at most', async () => {
    const { search, asked } = bridgeBeside(
      Array.from({ length: 9 }, (_, place) => `far-${place}`),
      async () => noLink,
    )
    expect(await search()).toEqual(noLink)
    expect(asked.length).toBe(8)
  })

  test('ends with the first ticket for the other bridges, and after its time for all', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const ended: string[] = []
    const { search, asked } = bridgeBeside(['slow', 'quick'], async (bridge, carry, over) => {
      if (bridge === 'quick' && ended.length === 0) return await ticket(bridge, carry)
      return await new Promise((_, reject) =>
        over.addEventListener('abort', () => {
          ended.push(bridge)
          reject(over.reason)
        }),
      )
    })
    expect(await search()).toEqual(found('quick'))
    expect(ended).toEqual(['slow'])
    const late = search()
    await expect.poll(() => asked.length).toBe(4)
    vi.advanceTimersByTime(2_750)
    expect(await late).toEqual(noLink)
    expect(ended.toSorted()).toEqual(['quick', 'slow', 'slow'])
  })

  test('is one of 64 at most, and a quarter of them is left to other askers', async () => {
    const { search, asked, state } = bridgeBeside(['far'], never)
    const pending = Array.from({ length: 48 }, () => search())
    await expect.poll(() => asked.length).toBe(48)
    expect(await search()).toEqual({ status: 'busy' })
    pending.push(...Array.from({ length: 16 }, () => search({}, 'another')))
    await expect.poll(() => asked.length).toBe(64)
    expect(await search({}, 'third')).toEqual({ status: 'busy' })
    expect(state.refused).toBe(2)
  })

  test('is known until 4,096 others have been there', async () => {
    const { search, asked } = bridgeBeside(['far'])
    const first = { search: newSearch() }
    await search(first)
    await expect.poll(() => search(first)).toEqual(noLink)
    const envelope = new Uint8Array(1)
    for (let other = 1; other < 4_096; other++) await search({ envelope })
    expect(await search(first)).toEqual(noLink)
    await search({ envelope })
    expect(await search(first)).toEqual(found('far'))
    expect(asked.length).toBe(2)
  })
})
