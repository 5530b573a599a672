import { expect, onTestFinished, test } from 'vitest'
import { createGateways, IdentityLeased } from '../src/gateways.ts'
import type { StoreChange } from '../src/store/store.ts'
import { silentLog } from './fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork } from './fixtures/memory-engine.ts'
import { createMemoryIdentity } from './fixtures/memory-identity.ts'
import { createMemoryStore } from './fixtures/memory-store.ts'

test('the other gateways are read anew as often as is asked for, also after the clock was set back', async () => {
  const clock = { now: 1_800_000_000_000 }
  const store = createMemoryStore()
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const parts = { store, engine, services: () => [], judged: () => [], onLost: () => undefined, log: silentLog, now: () => clock.now }
  const gateways = createGateways(parts)
  const note = async (peerId: string) => {
    const about = { engine: 'memory', version: '1', multiaddrs: [], state: 'ready' }
    await store.gateways.note({ peerId, about, startedAt: clock.now, seenAt: clock.now })
  }
  const others = async (maxAgeMs: number) => (await gateways.others(maxAgeMs)).map(({ peerId }) => peerId)
  await note('a')
  expect(await others(60_000)).toEqual(['a'])
  await note('b')
  expect(await others(60_000)).toEqual(['a'])
  clock.now -= 3_600_000
  expect(await others(0)).toEqual(['a', 'b'])
})

/** A gateway among the others of its database, and what it dials. */
async function gateway(init: { store?: ReturnType<typeof createMemoryStore>; peers?: string[]; fails?: boolean } = {}) {
  const { store = createMemoryStore(), peers = [], fails = false } = init
  const clock = { now: 1_800_000_000_000 }
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const state = { dialled: [] as string[], lost: 0, tell: (_change: StoreChange) => undefined as unknown }
  const parts = createGateways({
    store: {
      ...store,
      listen(listener) {
        state.tell = listener
        return () => undefined
      },
    },
    engine: {
      ...engine,
      peers: async () => peers.map((peerId) => ({ peerId }) as Awaited<ReturnType<typeof engine.peers>>[number]),
      async dial(address) {
        state.dialled.push(address)
        if (fails) throw new Error('nobody there')
        return {} as Awaited<ReturnType<typeof engine.dial>>
      },
    },
    services: () => [],
    judged: () => [],
    onLost: () => void state.lost++,
    log: silentLog,
    now: () => clock.now,
  })
  const note = async (peerId: string, more: { state?: string; multiaddrs?: string[]; seenAt?: number } = {}) => {
    const about = { engine: 'memory', version: '1', multiaddrs: more.multiaddrs ?? [], state: more.state ?? 'ready' }
    await store.gateways.note({ peerId, about, startedAt: clock.now, seenAt: more.seenAt ?? clock.now })
  }
  const others = async () => (await parts.others(0)).map(({ peerId }) => peerId)
  return { ...parts, engine, store, state, clock, note, others }
}

test('the others are those that are there: not this gateway itself, none that stopped, and none that gave no sign of life for long', async () => {
  const { others, note, engine, clock } = await gateway()
  await note(engine.peerId)
  await note('there')
  await note('stopped', { state: 'stopped' })
  await note('silent', { seenAt: clock.now - 15_001 })
  await note('slow', { seenAt: clock.now - 15_000 })
  expect(await others()).toEqual(['slow', 'there'])
})

test('a key that another process holds is not used, and one that another process takes ends this one', async () => {
  const store = createMemoryStore()
  const held = { ...store, gateways: { ...store.gateways, claim: async () => false } }
  await expect((await gateway({ store: held })).claim()).rejects.toThrow(IdentityLeased)
  const parts = await gateway()
  await parts.claim()
  await parts.start()
  onTestFinished(() => parts.stop())
  parts.state.tell({ kind: 'peers' })
  expect(parts.state.lost).toBe(0)
  parts.state.tell({ kind: 'identity' })
  expect(parts.state.lost).toBe(1)
})

test('another gateway is linked at the first of its addresses that answers, and few are tried', async () => {
  const addresses = Array.from({ length: 6 }, (_, index) => `/memory/${index}`)
  const parts = await gateway()
  await parts.link('peer', addresses)
  expect(parts.state.dialled).toEqual(addresses.slice(0, 1))
  const failing = await gateway({ fails: true })
  await failing.link('peer', addresses)
  expect(failing.state.dialled).toEqual(addresses.slice(0, 4))
})

test('a gateway says that it is there, links those that are not linked, and says that it stops', async () => {
  const parts = await gateway({ peers: ['linked'] })
  await parts.note('linked', { multiaddrs: ['/memory/linked'] })
  await parts.note('absent', { multiaddrs: ['/memory/absent'] })
  await parts.start()
  await expect.poll(() => parts.state.dialled).toEqual(['/memory/absent'])
  const states = async () => Object.fromEntries((await parts.list()).map(({ peerId, state }) => [peerId, state]))
  expect(await states()).toMatchObject({ [parts.engine.peerId]: 'ready', absent: 'ready' })
  await parts.stop()
  expect(await states()).toMatchObject({ [parts.engine.peerId]: 'stopped' })
  parts.clock.now += 15_001
  expect(await states()).toMatchObject({ absent: 'gone' })
})
