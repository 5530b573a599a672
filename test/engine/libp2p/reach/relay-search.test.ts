import { expect, test } from 'vitest'
import { createRelaySearch, maxDialled, maxLookups } from '../../../../src/engine/libp2p/reach/relay-search.ts'
import type { FoundPeer } from '../../../../src/engine/routing.ts'

const peerOf = (peerId: string): FoundPeer => ({ peerId, multiaddrs: [`/ip4/192.0.2.1/tcp/1/p2p/${peerId}`] })
const peers = (prefix: string, count: number) => Array.from({ length: count }, (_, number) => peerOf(`${prefix}${number}`))

/** A search among known peers and those of a DHT, of which `relays` are of use. */
function search(init: { known?: FoundPeer[]; found?: FoundPeer[]; relays?: string[] }) {
  const state = {
    now: 0,
    wanted: 2,
    known: init.known ?? [],
    found: init.found ?? [],
    relays: new Set(init.relays ?? []),
    unwanted: new Set<string>(),
    lookups: 0,
    dialled: [] as Array<{ peerId: string; at: number }>,
    concurrent: 0,
    mostConcurrent: 0,
  }
  const searching = createRelaySearch({
    isMissing: () => state.wanted > 0,
    known: async () => state.known,
    async *lookUp() {
      state.lookups++
      yield* state.found
    },
    isWanted: (peerId) => !state.unwanted.has(peerId),
    async tryOne({ peerId }) {
      state.dialled.push({ peerId, at: state.now })
      state.mostConcurrent = Math.max(state.mostConcurrent, ++state.concurrent)
      await new Promise((resolve) => setImmediate(resolve))
      state.concurrent--
      if (state.relays.has(peerId)) state.wanted--
      else throw new Error('nobody answers')
    },
    now: () => state.now,
    random: () => 1,
  })
  return { state, searching }
}

test('known relays are dialled first, then those that lookups find, until there are enough', async () => {
  const { state, searching } = search({ known: peers('known', 1), found: peers('found', 20), relays: ['known0', 'found1'] })
  await searching.run()
  const dialled = state.dialled.map(({ peerId }) => peerId)
  expect(dialled.slice(0, 3)).toEqual(['known0', 'found0', 'found1'])
  expect(dialled.length).toBeLessThan(maxDialled)
  await searching.run()
  expect(state.dialled).toHaveLength(dialled.length)
})

test('a search dials no more peers than its budget, three at once', async () => {
  const { state, searching } = search({ known: peers('known', 30), found: peers('found', 30) })
  await searching.run()
  expect(state.dialled).toHaveLength(maxDialled)
  expect(state.mostConcurrent).toBe(3)
})

test('a search makes no more lookups than its budget', async () => {
  const { state, searching } = search({})
  await searching.run()
  expect(state.lookups).toBe(maxLookups)
})

test('searches that are not enough follow after pauses that double, up to ten minutes, until there were enough relays', async () => {
  const { state, searching } = search({})
  const times: number[] = []
  for (state.now = 0; state.now < 2_600_000; state.now += 1_000) {
    const before = state.lookups
    await searching.run()
    if (state.lookups > before) times.push(state.now / 1_000)
  }
  expect(times).toEqual([0, 10, 30, 70, 150, 310, 630, 1_230, 1_830, 2_430])
  searching.reset()
  await searching.run()
  expect(state.lookups).toBe((times.length + 1) * maxLookups)
})

test('a peer is dialled once in ten minutes, and one that is linked, blocked or has refused is not', async () => {
  const { state, searching } = search({ known: peers('known', 2) })
  state.unwanted.add('known1')
  for (state.now = 0; state.now <= 630_000; state.now += 10_000) await searching.run()
  expect(state.dialled).toEqual([0, 630_000].map((at) => ({ peerId: 'known0', at })))
})

test('a peer without an address is not dialled', async () => {
  const { state, searching } = search({ known: [{ peerId: 'a', multiaddrs: [] }] })
  await searching.run()
  expect(state.dialled).toEqual([])
})
