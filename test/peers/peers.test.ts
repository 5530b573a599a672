import { expect, onTestFinished, test } from 'vitest'
import { DialFailed, PeerLimit, PeerUnreachable } from '../../src/errors.ts'
import { omitUndefined } from '../../src/lib/omit-undefined.ts'
import type { Peer } from '../../src/model/peer.ts'
import { createPeers, type PeersComponents } from '../../src/peers/peers.ts'
import type { Store } from '../../src/store/store.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork, type MemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'

const { signal } = new AbortController()
const limits = {
  dialTimeoutMs: 1_000,
  pingTimeoutMs: 1_000,
  maxRemembered: 50,
  peerKeptMs: 1_000,
  maxKnownPeers: 100,
  maxAnnotatedPeers: 100,
  maxPruneMessages: 2,
}

interface Options {
  network?: MemoryNetwork
  store?: Store
  limits?: Partial<typeof limits>
  now?: () => number
  ages?: PeersComponents['ages'] & object
  configured?: string[]
}

async function setUp(options: Options = {}) {
  const { network = createMemoryNetwork(), store = createMemoryStore(), configured = [], now, ages } = options
  const engine = createMemoryEngine({ network, identity: await createMemoryIdentity() })
  const components = { engine, store, logger: silentLog, ...omitUndefined({ now, ages }) }
  const peers = createPeers({ limits: { ...limits, ...options.limits }, configured }, components)
  onTestFinished(async () => {
    await engine.stop()
    await peers.stop()
  })
  return { network, store, engine, peers }
}

async function node(network: MemoryNetwork) {
  const engine = createMemoryEngine({ network, identity: await createMemoryIdentity() })
  await engine.start()
  const [address = ''] = await engine.multiaddrs()
  return { engine, peerId: engine.peerId, address }
}

test('dials the peers seen last again, those that are blocked or forgotten excepted', async () => {
  let clock = 1_000
  const network = createMemoryNetwork()
  const store = createMemoryStore()
  const before = await setUp({ network, store, now: () => clock })
  await before.peers.start()
  await before.engine.start()
  const others = await Promise.all(Array.from({ length: 6 }, () => node(network)))
  for (const { address, engine } of others) {
    clock += 1_000
    await before.peers.dial(address, { signal })
    await before.engine.hangUp(engine.peerId)
  }
  const [, , third, fourth, blocked, forgotten] = others
  if (third === undefined || fourth === undefined || blocked === undefined || forgotten === undefined) throw new Error('too few')
  await before.peers.annotate(blocked.peerId, { blocked: true })
  await before.peers.forget(forgotten.peerId)
  await before.engine.stop()
  await before.peers.stop()

  const after = await setUp({ network, store, limits: { maxRemembered: 2 } })
  await after.peers.start()
  await after.engine.start()
  await after.peers.reconnect()
  const expected = [third.peerId, fourth.peerId].toSorted()
  await expect.poll(async () => (await after.engine.peers()).map(({ peerId }) => peerId).toSorted()).toEqual(expected)
})

test('blocks at the engine, before it starts, what was blocked in the store', async () => {
  const { network, store, peers, engine } = await setUp()
  const enemy = await node(network)
  await store.peers.annotate(enemy.peerId, { blocked: true })
  await peers.start()
  await engine.start()
  const [address = ''] = await engine.multiaddrs()
  await expect(enemy.engine.dial(address, { signal, source: 'rest' })).rejects.toThrow()
})

test('remembers where a dialled peer was found, as the operator’s word', async () => {
  const { network, store, peers, engine } = await setUp()
  await peers.start()
  await engine.start()
  const other = await node(network)
  await peers.dial(other.address.replace(/\/p2p\/.*/, ''), { signal })
  await peers.stop()
  expect((await store.peers.get(other.peerId))?.addresses).toContainEqual({ multiaddr: other.address, source: 'rest' })
})

test('an address that leads nowhere is not kept for a peer that is connected', async () => {
  const { network, store, peers, engine } = await setUp()
  await peers.start()
  await engine.start()
  const other = await node(network)
  await peers.dial(other.address, { signal })
  const dead = `/memory/nobody/p2p/${other.peerId}`
  expect(await peers.dial(dead, { signal })).toMatchObject({ peerId: other.peerId, state: 'connected', multiaddrs: [other.address] })
  await peers.stop()
  expect((await store.peers.get(other.peerId))?.addresses).toEqual([{ multiaddr: other.address, source: 'rest' }])
})

test('stores what was seen when it stops, without having been asked', async () => {
  const { network, store, peers, engine } = await setUp()
  await peers.start()
  await engine.start()
  const other = await node(network)
  const [address = ''] = await engine.multiaddrs()
  await other.engine.dial(address, { signal, source: 'mdns' })
  await peers.stop()
  expect(await store.peers.get(other.peerId)).toMatchObject({ peerId: other.peerId, agent: 'memory' })
})

test('tells watchers in order what happens to peers, until they end it', async () => {
  const { network, peers, engine } = await setUp()
  await peers.start()
  await engine.start()
  const notices: Array<[string, Peer]> = []
  const end = peers.watch((event, peer) => notices.push([event, peer]))
  const other = await node(network)
  await peers.dial(other.address, { signal })
  await engine.hangUp(other.peerId)
  await expect
    .poll(() => notices.map(([event, peer]) => [event, peer.peerId, peer.state]))
    .toEqual([
      ['connect', other.peerId, 'connected'],
      ['update', other.peerId, 'connected'],
      ['disconnect', other.peerId, 'known'],
    ])
  end()
  await peers.dial(other.address, { signal })
  await peers.get(other.peerId)
  expect(notices).toHaveLength(3)
})

test('a forgotten peer is not brought back by the end of its own link', async () => {
  const { network, store, peers, engine } = await setUp()
  await peers.start()
  await engine.start()
  const other = await node(network)
  await peers.dial(other.address, { signal })
  await peers.forget(other.peerId)
  await peers.stop()
  expect(await store.peers.get(other.peerId)).toBeUndefined()
})

test('forgets who was not seen for long, by age time, and the longest unseen of too many, but nobody who is linked or configured', async () => {
  const clock = { age: 1_000, settledAge: 1_000 }
  const ages = { age: () => clock.age, settledAge: () => clock.settledAge }
  const configured = (await createMemoryIdentity()).peerId
  const { network, store, peers, engine } = await setUp({ ages, configured: [configured], limits: { maxKnownPeers: 3 } })
  await peers.start()
  await engine.start()
  const other = await node(network)
  await peers.dial(other.address, { signal })
  const seen = (peerId: string, seenAge: number) => ({ peerId, multiaddrs: [], source: 'learnt' as const, seenAt: Date.now(), seenAge })
  const left = async () => (await store.peers.list({ limit: 100 })).map(({ peerId }) => peerId)
  await peers.sweep()
  await store.peers.save([seen(configured, 1_000), seen('a', 1_001), seen('b', 1_000), seen('c', 1_200)])
  expect(await left()).toHaveLength(5)
  await peers.sweep()
  expect(await left()).toEqual([configured, other.peerId, 'c'].toSorted())
  await store.peers.save([seen('d', 1_200)])
  // While the clock is not trusted nobody becomes too old; that the linked peer is there is noted.
  clock.age = 2_201
  await peers.sweep()
  expect(await left()).toEqual([configured, other.peerId, 'd'].toSorted())
  // Nor would another gateway of the database forget it.
  expect(await store.peers.forgetUnseen({ seenBefore: 2_000, max: 100, keep: [configured, 'd'], limit: 10 })).toBe(0)
  clock.settledAge = 2_201
  await peers.sweep()
  expect(await left()).toEqual([configured, other.peerId].toSorted())
  await engine.hangUp(other.peerId)
  await expect.poll(async () => (await peers.get(other.peerId)).state).not.toBe('connected')
  expect((await peers.get(other.peerId)).multiaddrs).toEqual([other.address])
  clock.age = clock.settledAge = 3_202
  await peers.sweep()
  expect(await left()).toEqual([configured])
})

test('gives up a dial and a ping that take too long, or whose client has left', async () => {
  const store = createMemoryStore()
  const network = createMemoryNetwork()
  const engine = createMemoryEngine({ network, identity: await createMemoryIdentity() })
  async function hang(_: string, options: { signal: AbortSignal }): Promise<never> {
    options.signal.throwIfAborted()
    return await new Promise((_resolve, reject) => options.signal.addEventListener('abort', () => reject(options.signal.reason)))
  }
  const hanging = { ...engine, dial: hang, ping: hang }
  const short = { ...limits, dialTimeoutMs: 20, pingTimeoutMs: 20, maxRemembered: 0 }
  const peers = createPeers({ limits: short }, { engine: hanging, store, logger: silentLog })
  await expect(peers.dial('/memory/somebody', { signal })).rejects.toThrow(DialFailed)
  await expect(peers.ping(engine.peerId, { signal })).rejects.toThrow(PeerUnreachable)
  await expect(peers.dial('/memory/somebody', { signal: AbortSignal.abort(new Error('left')) })).rejects.toThrow('left')
})

test('goes on when the store does not take what was seen', async () => {
  const { network, store, peers, engine } = await setUp()
  const { save } = store.peers
  store.peers.save = () => Promise.reject(new Error('full'))
  await peers.start()
  await engine.start()
  const other = await node(network)
  expect(await peers.dial(other.address, { signal })).toMatchObject({ peerId: other.peerId, state: 'connected' })
  store.peers.save = save
  await peers.dial(other.address, { signal })
  expect((await peers.list({ limit: 10 })).items).toMatchObject([{ peerId: other.peerId }])
})

test('connected peers are listed whatever the store keeps of them, page by page and in order', async () => {
  const store = createMemoryStore()
  const { network, engine, peers } = await setUp({ store })
  await peers.start()
  await engine.start()
  const others = await Promise.all(Array.from({ length: 5 }, () => node(network)))
  store.peers.save = async () => {
    throw new Error('invalid byte sequence')
  }
  for (const { address } of others) await engine.dial(address, { signal, source: 'rest' })
  await store.peers.annotate(others[0]?.peerId ?? '', { label: 'stored' })
  const all = others.map(({ peerId }) => peerId).toSorted()
  for (const state of [undefined, 'connected'] as const) {
    const seen: string[] = []
    for (let after: string | undefined; ; ) {
      const page = await peers.list({ state, after, limit: 2 })
      seen.push(...page.items.map(({ peerId }) => peerId))
      if (page.next === null) break
      after = page.next
    }
    expect(seen).toEqual(all)
  }
})

test('labels and blocks have an end, and those that are there can be changed and taken away', async () => {
  const { peers, engine, store } = await setUp({ limits: { maxAnnotatedPeers: 2 } })
  await peers.start()
  await engine.start()
  await peers.annotate('one', { label: 'printer' })
  await peers.annotate('two', { blocked: true })
  await expect(peers.annotate('three', { label: 'one more' })).rejects.toThrow(PeerLimit)
  await expect(peers.annotate('three', { blocked: true })).rejects.toThrow(PeerLimit)
  expect(await store.peers.get('three')).toBeUndefined()
  expect(await peers.annotate('two', { label: 'enemy' })).toMatchObject({ label: 'enemy', state: 'blocked' })
  await peers.annotate('one', { label: null })
  expect(await peers.annotate('three', { blocked: true })).toMatchObject({ state: 'blocked' })
})

test('a peer that the store refuses does not take the others of its batch with it', async () => {
  const store = createMemoryStore()
  const save = store.peers.save.bind(store.peers)
  const { network, engine, peers } = await setUp({ store })
  const others = await Promise.all(Array.from({ length: 3 }, () => node(network)))
  store.peers.save = async (sightings) => {
    if (sightings.some(({ peerId }) => peerId === others[1]?.peerId)) throw new Error('invalid byte sequence')
    await save(sightings)
  }
  await peers.start()
  await engine.start()
  for (const { address } of others) await engine.dial(address, { signal, source: 'rest' })
  await peers.list({ limit: 10 })
  const stored = (await store.peers.list({ limit: 10 })).map(({ peerId }) => peerId)
  expect(stored).toEqual([others[0], others[2]].map((other) => other?.peerId).toSorted())
})
