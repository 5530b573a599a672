import { describe, expect, test } from 'vitest'
import { createReachability, patienceMs } from '../../../../src/engine/custom/reach/reachability.ts'

type Word = 'reaches' | 'fails' | 'refuses'

/** A node among peers that dial it back, or fail to, or would not say, or do not answer before they are told how. */
function node(init: { candidates?: string[]; peers?: Record<string, Word | 'waits'>; relays?: string[] }) {
  const state = {
    now: 0,
    candidates: init.candidates ?? ['/ip4/198.51.100.7/tcp/7071/ws'],
    peers: new Map(Object.entries(init.peers ?? {})),
    relays: init.relays ?? [],
    full: new Set<string>(),
    waiting: Promise.withResolvers<Word>(),
    asked: [] as string[],
    reserving: [] as string[],
    changes: 0,
  }
  const reachability = createReachability({
    now: () => state.now,
    candidates: () => state.candidates,
    dialsBack: () => [...state.peers.keys()],
    relays: () => state.relays,
    async askDialBack(peerId, addresses) {
      state.asked.push(peerId)
      const told = state.peers.get(peerId)
      const word = told === 'waits' ? await state.waiting.promise : told
      return word === 'refuses' ? [] : addresses.map((multiaddr) => ({ multiaddr, reached: word === 'reaches' }))
    },
    async reserve(peerId) {
      state.reserving.push(peerId)
      if (state.full.has(peerId)) throw new Error('full')
    },
    onChange: () => state.changes++,
  })
  return { state, reachability }
}

describe('a node', () => {
  test('knows nothing of itself before anybody has tried', () => {
    expect(node({}).reachability.state).toBe('unknown')
  })

  test('is direct when one peer has reached it, whatever others say', async () => {
    const { reachability, state } = node({ peers: { a: 'fails', b: 'reaches', c: 'refuses' }, relays: ['a'] })
    await reachability.step()
    expect(reachability.state).toBe('direct')
    expect(reachability.confirmed).toEqual(state.candidates.map((multiaddr) => ({ multiaddr, peers: 1 })))
    expect(reachability.relays).toEqual([])
  })

  test('is hidden when three have failed, or as many as there are, and then asks two relays', async () => {
    const peers = { a: 'fails', b: 'fails', c: 'fails', d: 'reaches' } as const
    const { reachability, state } = node({ peers, relays: ['a', 'b', 'c'] })
    await reachability.step()
    expect(state.asked).toEqual(['a', 'b', 'c'])
    expect(reachability.state).toBe('hidden')
    expect(reachability.relays).toEqual(['a', 'b'])
    const lonely = node({ peers: { a: 'fails' } })
    await lonely.reachability.step()
    expect(lonely.reachability.state).toBe('hidden')
  })

  test('is not hidden because peers would not try', async () => {
    const { reachability } = node({ peers: { a: 'refuses', b: 'refuses' }, relays: ['a'] })
    await reachability.step()
    expect(reachability.state).toBe('unknown')
    expect(reachability.relays).toEqual([])
  })

  test('asks all at once, and nobody twice before the answer', async () => {
    const { reachability, state } = node({ peers: { a: 'waits', b: 'waits', c: 'waits', d: 'waits' } })
    const steps = [reachability.step(), reachability.step()]
    expect(state.asked).toEqual(['a', 'b', 'c'])
    state.waiting.resolve('fails')
    await Promise.all(steps)
    await reachability.step()
    expect(state.asked).toEqual(['a', 'b', 'c'])
    expect(reachability.state).toBe('hidden')
  })

  test.each([
    ['fails', ['a', 'b']],
    ['refuses', ['a', 'b']],
    ['reaches', []],
  ] as const)('patienceMs: has relays once a dial-back takes longer, and when it then %s, %j', async (word, relays) => {
    const { reachability, state } = node({ peers: { a: 'waits' }, relays: ['a', 'b', 'c'] })
    const first = reachability.step()
    state.now = patienceMs - 1
    const early = reachability.step()
    expect(state.reserving).toEqual([])
    state.now = patienceMs
    const late = reachability.step()
    await expect.poll(() => reachability.relays).toEqual(['a', 'b'])
    expect(reachability.state).toBe('unknown')
    expect(state.changes).toBe(1)
    state.waiting.resolve(word)
    await Promise.all([first, early, late])
    expect(reachability.relays).toEqual(relays)
    expect(state.asked).toEqual(['a'])
  })

  test('that does not listen is hidden without asking anybody', async () => {
    const { reachability, state } = node({ candidates: [], peers: { a: 'reaches' }, relays: ['a'] })
    await reachability.step()
    expect(state.asked).toEqual([])
    expect(reachability.relays).toEqual(['a'])
  })

  test('takes another relay when one is full or goes, and asks a full one again later', async () => {
    const { reachability, state } = node({ candidates: [], relays: ['a', 'b', 'c'] })
    state.full.add('a')
    await reachability.step()
    expect(reachability.relays).toEqual(['b', 'c'])
    reachability.lost('b')
    expect(reachability.relays).toEqual(['c'])
    state.full.clear()
    state.relays = ['a', 'c']
    await reachability.step()
    expect(reachability.relays).toEqual(['c'])
    state.now = 31_000
    await reachability.step()
    expect(reachability.relays).toEqual(['c', 'a'])
  })

  test('whose router begins to forward a port asks those again who failed there before, and drops its relays', async () => {
    const { reachability, state } = node({ peers: { a: 'fails' }, relays: ['a'] })
    await reachability.step()
    expect(reachability.relays).toEqual(['a'])
    state.peers.set('a', 'reaches')
    reachability.forwarded(['/ip4/198.51.100.7/tcp/7072/ws'])
    await reachability.step()
    expect(reachability.state).toBe('hidden')
    reachability.forwarded(state.candidates)
    await reachability.step()
    expect(reachability.state).toBe('direct')
    expect(reachability.relays).toEqual([])
    reachability.forwarded(state.candidates)
    await reachability.step()
    expect(state.asked).toEqual(['a', 'a'])
  })

  test('asks again when a router began to forward the port before the peer said that it failed, but not when it succeeded', async () => {
    const { reachability, state } = node({ peers: { a: 'waits', b: 'waits' } })
    const first = reachability.step()
    reachability.forwarded(state.candidates)
    state.waiting.resolve('fails')
    await first
    expect(reachability.state).toBe('unknown')
    state.waiting = Promise.withResolvers()
    const second = reachability.step()
    reachability.forwarded([])
    reachability.forwarded(state.candidates)
    state.peers.delete('b')
    state.waiting.resolve('fails')
    await second
    expect(state.asked).toEqual(['a', 'b', 'a', 'b'])
  })

  test('whose router no longer forwards a port knows of it no more', async () => {
    const { reachability, state } = node({ peers: { a: 'reaches' } })
    reachability.forwarded(state.candidates)
    await reachability.step()
    expect(reachability.state).toBe('direct')
    reachability.forwarded([])
    expect(reachability.state).toBe('unknown')
    expect(state.changes).toBe(2)
    state.peers.set('a', 'fails')
    await reachability.step()
    expect(reachability.state).toBe('hidden')
  })

  test('asks again after ten minutes, and drops its relays when it can be reached', async () => {
    const { reachability, state } = node({ peers: { a: 'fails' }, relays: ['a'] })
    await reachability.step()
    await reachability.step()
    expect(state.asked).toEqual(['a'])
    state.peers.set('a', 'reaches')
    state.now = 601_000
    await reachability.step()
    expect(reachability.state).toBe('direct')
    expect(reachability.relays).toEqual([])
  })

  test('has a new address tried soon', async () => {
    const { reachability, state } = node({ peers: { a: 'reaches' } })
    await reachability.step()
    state.candidates = [...state.candidates, '/ip4/203.0.113.9/tcp/7071/ws']
    state.now = 31_000
    await reachability.step()
    expect(reachability.confirmed).toEqual(state.candidates.map((multiaddr) => ({ multiaddr, peers: 1 })))
  })

  test('tells of changes, and of nothing else', async () => {
    const { reachability, state } = node({ peers: { a: 'reaches' } })
    await reachability.step()
    await reachability.step()
    expect(state.changes).toBe(1)
  })
})
