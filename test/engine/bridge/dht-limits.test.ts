import { encode } from 'cborg'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createBridgedRouting } from '../../../src/engine/bridge/bridged-routing.ts'
import { createDhtAnswering } from '../../../src/engine/bridge/dht-answering.ts'
import { bridgeDhtProtocol } from '../../../src/engine/bridge/dht-questions.ts'
import type { ConnectedPeer, Network } from '../../../src/engine/engine.ts'
import type { FoundPeer, Routing } from '../../../src/engine/routing.ts'
import { RecordNotFound } from '../../../src/errors.ts'
import { decodeCbor } from '../../../src/lib/cbor.ts'
import { immutableKey } from '../../../src/model/dht-record.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const key = immutableKey(Buffer.from('a value'))
const cid = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'
const { signal } = new AbortController()

function untilOver(over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => over.addEventListener('abort', () => reject(over.reason)))
}

/** Whether something has settled once the turns of the event loop that it needs are over. */
async function hasSettled(work: Promise<unknown>): Promise<boolean> {
  let settled = false
  const note = () => {
    settled = true
  }
  work.then(note, note)
  await new Promise(setImmediate)
  return settled
}

describe('a bridge', () => {
  /** A bridge that finds in its other network what the test says. */
  function bridgeTo(routing: Partial<Routing>) {
    const network = Object.assign(Object.create(null) as Network, { peers: async () => [], routing })
    const engine = { networks: [network], peers: async () => [], request: () => Promise.reject(new Error('no bridge')) }
    const answer = createDhtAnswering({ engine })
    return async (question: object) => decodeCbor(await answer({ from: 'asker', body: encode(question), signal }), { maxItems: 10_000 })
  }

  test.each([
    [60_000, 10_000],
    [5_000, 5_000],
  ])('that is to look for %i ms looks for %i', async (timeoutMs, looksMs) => {
    const ask = bridgeTo({ get: (_, { signal: over }) => untilOver(over) })
    const answer = ask({ type: 'get', key, timeoutMs })
    vi.advanceTimersByTime(looksMs - 1)
    expect(await hasSettled(answer)).toBe(false)
    vi.advanceTimersByTime(1)
    expect(await answer).toEqual({})
  })

  test('tells of twenty providers at most, each with 32 addresses at most', async () => {
    let found = 0
    async function* findProviders(): AsyncGenerator<FoundPeer> {
      for (;;) yield { peerId: `peer-${++found}`, multiaddrs: Array.from({ length: 40 }, (_, place) => `/ip4/1.2.3.4/tcp/${place}`) }
    }
    const { providers } = (await bridgeTo({ findProviders })({ type: 'providers', cid, timeoutMs: 1_000 })) as { providers: FoundPeer[] }
    expect(providers.map(({ multiaddrs }) => multiaddrs.length)).toEqual(Array.from({ length: 20 }, () => 32))
    expect(found).toBe(20)
  })
})

describe('a gateway', () => {
  /** A gateway that is linked to so many bridges, none of which answers. */
  function linkedTo(bridges: number) {
    const asked: string[] = []
    const peers = Array.from({ length: bridges }, (_, place) =>
      Object.assign(Object.create(null) as ConnectedPeer, { peerId: `bridge-${place}`, protocols: [bridgeDhtProtocol] }),
    )
    const routing = createBridgedRouting({
      engine: {
        peerId: 'own',
        peers: async () => peers,
        request: async (bridge, _, __, { signal: over }) => {
          asked.push(bridge)
          return await untilOver(over)
        },
      },
    })
    return { routing, asked }
  }

  test('asks four bridges at most, and waits twelve seconds for them', async () => {
    const { routing, asked } = linkedTo(5)
    const providers = Array.fromAsync(routing.findProviders(cid, { signal }))
    while (asked.length < 4) await new Promise(setImmediate)
    const record = routing.get(key, { signal }).catch((error: unknown) => error)
    // A poll would move the clock.
    while (asked.length < 8) await new Promise(setImmediate)
    vi.advanceTimersByTime(11_999)
    expect([await hasSettled(providers), await hasSettled(record)]).toEqual([false, false])
    vi.advanceTimersByTime(1)
    expect(await providers).toEqual([])
    expect(await record).toBeInstanceOf(RecordNotFound)
    expect([new Set(asked.slice(0, 4)).size, new Set(asked.slice(4)).size]).toEqual([4, 4])
    expect(asked.length).toBe(8)
  })
})
