import { expect, onTestFinished, test } from 'vitest'
import { createLostCircuits, maxAttempts, maxSought } from '../../../../src/engine/libp2p/reach/lost-circuits.ts'
import { strangers } from '../../../fixtures/dht-peers.ts'
import { silentLog } from '../../../fixtures/log.ts'

const [dead = '', relay = '', found = '', peer = ''] = strangers
const through = (relayId: string) => `/ip4/192.0.2.1/tcp/1/p2p/${relayId}/p2p-circuit/p2p/${peer}`

/** Links of a node to peers behind relays: `answers` are the addresses at which the peer is reached. */
function links(init: { known?: string[]; found?: string[]; answers?: string[] }) {
  const state = { linked: new Set<string>(), settled: new Set<string>(), dialled: [] as string[], lookups: 0, looks: 0, ended: 0 }
  const lost = createLostCircuits({
    isLinked: (peerId) => state.linked.has(peerId),
    isSettled(peerId) {
      state.looks++
      if (state.settled.has(peerId)) state.ended++
      return state.settled.has(peerId)
    },
    isWanted: (peerId) => !state.settled.has(peerId),
    known: async () => init.known ?? [],
    async find() {
      state.lookups++
      return init.found ?? []
    },
    async dial(address) {
      state.dialled.push(address)
      if (init.answers?.includes(address) !== true) throw new Error('nobody answers')
      state.settled.add(peer)
    },
    logger: silentLog,
    // Without pauses.
    random: () => -1,
  })
  onTestFinished(() => lost.stop())
  lost.start()
  return { state, lost }
}

test('a peer whose relay has gone is dialled through its other relays, linked ones first, and not directly', async () => {
  const { state, lost } = links({ known: ['/ip4/192.0.2.9/tcp/1', through(dead), through(relay)], answers: [through(relay)] })
  state.linked.add(relay)
  lost.lost(peer, dead)
  await expect.poll(() => state.ended).toBe(1)
  expect(state.dialled).toEqual([through(relay)])
  expect(state.lookups).toBe(0)
})

test('a relay that the peer has found meanwhile is looked up', async () => {
  const { state, lost } = links({ known: [through(dead)], found: [through(found)], answers: [through(found)] })
  lost.lost(peer, dead)
  await expect.poll(() => state.ended).toBe(1)
  expect(state.dialled).toEqual([through(dead), through(found)])
})

test('a peer that has ended its link while the relay is there is not dialled', async () => {
  const { state, lost } = links({ known: [through(relay)], answers: [through(relay)] })
  state.linked.add(dead)
  lost.lost(peer, dead)
  await expect.poll(() => state.looks).toBe(1)
  await lost.stop()
  expect(state.dialled).toEqual([])
})

test('attempts end: a peer that nobody reaches is given up', async () => {
  const { state, lost } = links({ known: [through(relay)] })
  lost.lost(peer, dead)
  await expect.poll(() => state.dialled.length).toBe(maxAttempts)
  // The next loss begins anew.
  await expect
    .poll(() => {
      lost.lost(peer, dead)
      return state.dialled.length
    })
    .toBeGreaterThan(maxAttempts)
})

test('no more peers are sought than the limit', async () => {
  const { state, lost } = links({})
  for (let number = 0; number < maxSought; number++) lost.lost(`peer ${number}`, dead)
  lost.lost(peer, dead)
  await expect.poll(() => state.lookups).toBe(maxSought * (maxAttempts - 1))
})
