import { describe, expect, onTestFinished, test } from 'vitest'
import { type Ages, agesOf } from '../../src/clock/ages.ts'
import { createClock } from '../../src/clock/clock.ts'
import { createMembers, IdentityLeased } from '../../src/cluster/members.ts'
import { defaultLimits } from '../../src/limits.ts'
import type { StoreChange } from '../../src/store/store.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryEngine, createMemoryNetwork } from '../fixtures/memory-engine.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { createTwoClocks, day, hour, second } from '../fixtures/two-clocks.ts'

/** Nothing is served or judged here. */
const noRegistries = { services: { services: [], watch: () => () => undefined }, validators: { registrations: new Map() } }

const startAt = 1_800_000_000_000

test('the other gateways are read anew as often as is asked for', async () => {
  const clocks = createTwoClocks(startAt)
  const store = createMemoryStore()
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const parts = { store, engine, ...noRegistries, onLost: () => undefined, logger: silentLog, ...gatewayClock(clocks) }
  const gateways = createMembers(parts)
  const note = async (peerId: string) => {
    const about = { engine: 'memory', version: '1', multiaddrs: [], state: 'ready' }
    await store.gateways.note({ peerId, about, startedAt: clocks.wall(), seenAt: clocks.wall() })
  }
  const others = async (maxAgeMs: number) => (await gateways.others(maxAgeMs)).map(({ peerId }) => peerId)
  await note('a')
  expect(await others(60_000)).toEqual(['a'])
  await note('b')
  expect(await others(60_000)).toEqual(['a'])
  clocks.step(-hour)
  clocks.pass(1)
  expect(await others(0)).toEqual(['a', 'b'])
})

function gatewayClock({ wall, monotonic }: ReturnType<typeof createTwoClocks>) {
  return { clock: agesOf(wall), monotonic }
}

interface GatewayInit {
  store?: ReturnType<typeof createMemoryStore>
  clocks?: ReturnType<typeof createTwoClocks>
  clock?: Ages
  peers?: string[]
  fails?: boolean
}

/** A gateway among the others of its database, and what it dials. */
async function gateway(init: GatewayInit = {}) {
  const { store = createMemoryStore(), clocks = createTwoClocks(startAt), peers = [], fails = false } = init
  const engine = createMemoryEngine({ network: createMemoryNetwork(), identity: await createMemoryIdentity() })
  const state = { dialled: [] as string[], lost: 0, tell: (_change: StoreChange) => undefined as unknown }
  const parts = createMembers({
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
    ...noRegistries,
    onLost: () => void state.lost++,
    logger: silentLog,
    ...gatewayClock(clocks),
    ...(init.clock === undefined ? {} : { clock: init.clock }),
  })
  const note = async (peerId: string, more: { state?: string; multiaddrs?: string[]; seenAt?: number } = {}) => {
    const about = { engine: 'memory', version: '1', multiaddrs: more.multiaddrs ?? [], state: more.state ?? 'ready' }
    await store.gateways.note({ peerId, about, startedAt: clocks.wall(), seenAt: more.seenAt ?? clocks.wall() })
  }
  const others = async () => (await parts.others(0)).map(({ peerId }) => peerId)
  return { ...parts, engine, store, state, clocks, note, others }
}

test('the others are those that are there: not this gateway itself, none that stopped, and none that gave no sign of life for long', async () => {
  const { others, note, engine, clocks } = await gateway()
  await note(engine.peerId)
  await note('there')
  await note('stopped', { state: 'stopped' })
  await note('silent', { seenAt: clocks.wall() - 15_001 })
  await note('slow', { seenAt: clocks.wall() - 15_000 })
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
  const states = async () => Object.fromEntries((await parts.list({ limit: 10 })).items.map(({ peerId, state }) => [peerId, state]))
  expect(await states()).toMatchObject({ [parts.engine.peerId]: 'ready', absent: 'ready' })
  await parts.stop()
  expect(await states()).toMatchObject({ [parts.engine.peerId]: 'stopped' })
  parts.clocks.pass(15_001)
  expect(await states()).toMatchObject({ absent: 'gone' })
})

test('gateways are listed page by page', async () => {
  const parts = await gateway()
  for (const peerId of ['b', 'c', 'a']) await parts.note(peerId, { multiaddrs: [] })
  const first = await parts.list({ limit: 2 })
  expect([first.items.map(({ peerId }) => peerId), first.next]).toEqual([['a', 'b'], 'b'])
  const second = await parts.list({ after: 'b', limit: 2 })
  expect([second.items.map(({ peerId }) => peerId), second.next]).toEqual([['c'], null])
})

describe('of a database whose clock steps', () => {
  /** Gateways that share a database and its clock. Each has a monotonic clock of its own, and a wall clock that nobody asks. */
  async function family() {
    const store = createMemoryStore()
    const server = createTwoClocks(startAt)
    const shared = { ...store.clock, read: async () => ({ ...(await store.clock.read()), wall: server.wall() }) }
    const members: Awaited<ReturnType<typeof join>>[] = []

    async function join() {
      const clocks = createTwoClocks(startAt - 3 * day)
      const clock = createClock({ limits: defaultLimits }, { store: shared, logger: silentLog, ...clocks })
      await clock.start()
      const parts = await gateway({ store, clocks, clock })
      await parts.start()
      onTestFinished(async () => {
        await parts.stop()
        await clock.stop()
      })
      const states = async () => new Map((await parts.list({ limit: 10 })).items.map(({ peerId, state }) => [peerId, state]))
      return { peerId: parts.engine.peerId, clock, clocks, others: parts.others, beat: parts.refresh, states }
    }

    return {
      server,
      async join() {
        const member = await join()
        members.push(member)
        return member
      },
      /** It is killed. */
      kill: (member: (typeof members)[number]) => void members.splice(members.indexOf(member), 1),
      /** Time passes, and all that live beat as often as they do. `check` follows each beat. */
      async pass(ms: number, check: () => Promise<void> = async () => undefined) {
        for (let left = ms; left > 0; left -= 5 * second) {
          for (let passed = 0; passed < 5; passed++) {
            for (const { pass } of [server, ...members.map(({ clocks }) => clocks)]) pass(second)
            for (const { clock } of members) await clock.look()
          }
          for (const { beat } of members) await beat()
          await check()
        }
      },
    }
  }

  test.each([8 * day, day, 40 * second, -40 * second, -30 * day])(
    'by %i ms, one that lives is there all the time, also for one that starts meanwhile, and one that was killed is gone soon',
    async (stepMs) => {
      const { server, join, kill, pass } = await family()
      const [one, other] = [await join(), await join()]
      await pass(60 * second)
      server.step(stepMs)
      await pass(30 * second, async () => {
        expect(await one.others()).toEqual([other.peerId])
        expect((await other.states()).get(one.peerId)).toBe('ready')
      })
      const third = await join()
      await pass(90 * second, async () => {
        for (const each of [one, other, third]) expect(new Set((await each.states()).values())).toEqual(new Set(['ready']))
      })
      kill(third)
      await pass(20 * second)
      const states = async () => [(await one.states()).get(third.peerId), await one.others()]
      expect(await states()).toEqual(['gone', [other.peerId]])
      server.step(-stepMs)
      await pass(90 * second, async () => expect(await states()).toEqual(['gone', [other.peerId]]))
    },
  )

  test('a beat from the future is no sign of life, and one that comes late is', async () => {
    const { note, others, clocks } = await gateway()
    await note('ahead', { seenAt: clocks.wall() + day })
    await note('behind', { seenAt: clocks.wall() - day })
    expect(await others()).toEqual([])
    clocks.pass(1)
    await note('ahead', { seenAt: clocks.wall() + day })
    await note('behind', { seenAt: clocks.wall() - day })
    expect(await others()).toEqual(['ahead', 'behind'])
    clocks.pass(15_001)
    expect(await others()).toEqual([])
  })
})
