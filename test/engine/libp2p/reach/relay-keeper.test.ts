import { expect, test } from 'vitest'
import { createRelayKeeper, proveMs, type RelayNeed, wantedRelays } from '../../../../src/engine/libp2p/reach/relay-keeper.ts'
import { silentLog } from '../../../fixtures/log.ts'

type Word = 'carries' | 'refuses' | 'lies' | 'does not say' | 'is silent'

/** A node that needs relays, among linked peers that carry circuits, or do something else. */
function node(peers: Record<string, Word>) {
  const state = {
    now: 0,
    need: 'seek' as RelayNeed,
    peers: new Map<string, Word>(Object.entries(peers)),
    addresses: '/ip4/192.0.2.1',
    /** Milliseconds for which the process stands still while a relay is asked, and those in which it runs. */
    pausedMs: 0,
    ranMs: 0,
    pauses: [] as Array<{ at: number; ms: number }>,
    asked: [] as Array<{ peerId: string; at: number }>,
    changes: 0,
  }
  function wait(): void {
    state.pauses.push({ at: state.now, ms: state.pausedMs })
    state.now += state.pausedMs + state.ranMs
  }
  const keeper = createRelayKeeper({
    need: () => state.need,
    speaking: () => [...state.peers.keys()],
    async reserve(peerId) {
      state.asked.push({ peerId, at: state.now })
      wait()
      if (state.peers.get(peerId) === 'refuses') throw new Error('full')
      return { renewMs: 600_000, addresses: [`${state.addresses}/p2p/${peerId}/p2p-circuit`] }
    },
    async prove(peerId) {
      wait()
      const word = state.peers.get(peerId)
      if (word === 'is silent') throw new Error('no answer')
      return word === 'does not say' ? undefined : word === 'carries'
    },
    onChange: () => state.changes++,
    logger: silentLog,
    now: () => state.now,
    ranSince: (begun) => state.pauses.reduce((left, { at, ms }) => (at >= begun ? left - ms : left), state.now - begun),
    random: () => 1,
  })
  /** Steps as often as a node does. */
  const pass = async (ms: number) => {
    for (const end = state.now + ms; state.now < end; ) {
      state.now += 1_000
      await keeper.step()
    }
  }
  return { state, keeper, pass }
}

test('a node asks no relay before it needs one, keeps those that it has while it does not know, and gives them up when it needs none', async () => {
  const { state, keeper } = node({ a: 'carries' })
  state.need = 'keep'
  await keeper.step()
  expect(state.asked).toEqual([])
  state.need = 'seek'
  await keeper.step()
  state.need = 'keep'
  await keeper.step()
  expect(keeper.relays).toEqual(['a'])
  expect(keeper.addresses).toEqual(['/ip4/192.0.2.1/p2p/a/p2p-circuit'])
  state.need = 'none'
  await keeper.step()
  expect([keeper.relays, keeper.addresses, state.changes]).toEqual([[], [], 2])
})

test('no more relays are asked than are wanted, and each of them once', async () => {
  const { state, keeper, pass } = node({ a: 'carries', b: 'carries', c: 'carries', d: 'carries' })
  await pass(60_000)
  expect(keeper.relays).toHaveLength(wantedRelays)
  expect(state.asked.map(({ peerId }) => peerId)).toEqual(['a', 'b'])
  expect(await keeper.offer('c')).toBe(false)
  expect(state.asked).toHaveLength(2)
})

test('a relay without a link is replaced, also when nobody has told of its end', async () => {
  const { state, keeper } = node({ a: 'carries', b: 'carries', c: 'carries' })
  await keeper.step()
  state.peers.delete('a')
  await keeper.step()
  expect(keeper.relays).toEqual(['b', 'c'])
})

test('a relay that goes, refuses or carries nothing is replaced in the same step', async () => {
  const { state, keeper, pass } = node({ a: 'refuses', b: 'lies', c: 'is silent', d: 'carries', e: 'carries', f: 'carries' })
  await keeper.step()
  expect(keeper.relays).toEqual(['d', 'e'])
  state.peers.delete('d')
  keeper.lost('d')
  expect(keeper.relays).toEqual(['e'])
  await keeper.step()
  expect(keeper.relays).toEqual(['e', 'f'])
  // It was taken, and begins to drop circuits.
  state.peers.set('e', 'lies')
  state.peers.set('g', 'carries')
  await pass(proveMs)
  expect(keeper.relays).toEqual(['f', 'g'])
})

test('a relay that does not say whether it carries circuits is kept', async () => {
  const { keeper, pass } = node({ a: 'does not say' })
  await pass(2 * proveMs)
  expect(keeper.relays).toEqual(['a'])
})

test('a peer that refuses is asked again after pauses that double, up to ten minutes', async () => {
  const { state, pass } = node({ a: 'refuses' })
  await pass(4_000_000)
  const times = state.asked.map(({ at }) => at)
  const between = times.slice(1).map((at, index) => at - (times[index] ?? 0))
  expect(between).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600].map((seconds) => seconds * 1_000))
})

test('a relay that accepts and then ends its link is asked less and less often; one that lasted is asked again at once', async () => {
  const { state, keeper, pass } = node({ a: 'carries' })
  async function lose(): Promise<void> {
    state.peers.delete('a')
    keeper.lost('a')
    state.peers.set('a', 'carries')
  }
  for (const pauseMs of [1_000, 2_000, 4_000]) {
    await keeper.step()
    expect(keeper.relays).toEqual(['a'])
    await lose()
    await pass(pauseMs - 1_000)
    expect(keeper.relays).toEqual([])
    await pass(1_000)
  }
  await pass(600_000)
  await lose()
  await pass(1_000)
  expect(keeper.relays).toEqual(['a'])
})

test('a reservation is renewed in time, and its new addresses are announced', async () => {
  const { state, keeper, pass } = node({ a: 'carries' })
  await pass(600_000)
  expect(state.asked).toHaveLength(1)
  state.addresses = '/ip4/192.0.2.2'
  await pass(2_000)
  expect(state.asked).toHaveLength(2)
  expect(keeper.addresses).toEqual(['/ip4/192.0.2.2/p2p/a/p2p-circuit'])
  expect(state.changes).toBe(2)
})

test('a relay that does not answer while this process stands still is asked again, and replaced when it is silent then', async () => {
  const { state, keeper, pass } = node({ a: 'carries' })
  await keeper.step()
  for (const word of ['is silent', 'lies', 'is silent'] as const) {
    state.peers.set('a', word)
    Object.assign(state, { pausedMs: 30_000, ranMs: 10_000 })
    await pass(proveMs)
    expect(keeper.relays).toEqual(['a'])
  }
  expect([state.asked.length, state.changes]).toEqual([1, 1])
  Object.assign(state, { pausedMs: 4_000 })
  await pass(1_000)
  expect(keeper.relays).toEqual([])
})

test('a reservation whose renewal falls into a pause of this process is renewed after it', async () => {
  const { state, keeper, pass } = node({ a: 'carries' })
  await pass(598_000)
  state.peers.set('a', 'refuses')
  Object.assign(state, { pausedMs: 30_000, ranMs: 10_000 })
  await pass(3_000)
  expect(keeper.relays).toEqual(['a'])
  Object.assign(state, { pausedMs: 0, ranMs: 0 })
  state.peers.set('a', 'carries')
  await pass(1_000)
  expect([keeper.relays, state.asked.length]).toEqual([['a'], 3])
})
