import { describe, expect, test } from 'vitest'
import { createClock } from '../../src/clock/clock.ts'
import { defaultLimits } from '../../src/limits.ts'
import type { Store } from '../../src/store/store.ts'
import { adminToken, gatewayWithTokens } from '../access/gateway-with-tokens.ts'
import { isMissing, storesForTests } from '../fixtures/every-store.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'
import { createTwoClocks, day, hour, minute, second } from '../fixtures/two-clocks.ts'

const limits = { ...defaultLimits, retentionSweepMs: 10 }
const createStore = storesForTests()

/** The store with its clock replaced by the test's, and a count of how often what is old was looked for. */
function watched(store: Store, wall: (() => number) | undefined) {
  const looks = { pruning: 0, deliveries: 0 }
  const { log, deliveries, clock } = store
  const shown: Store = {
    ...store,
    log: { ...log, prunable: (query) => log.prunable(query).finally(() => looks.pruning++) },
    deliveries: { ...deliveries, expire: (query) => deliveries.expire(query).finally(() => looks.deliveries++) },
    clock: { ...clock, read: async () => ({ ...(await clock.read()), wall: wall?.() }) },
  }
  /** Everything has been looked at since this was called. */
  async function looked(): Promise<void> {
    const { pruning, deliveries } = { ...looks }
    await expect.poll(() => looks.pruning > pruning + 1 && looks.deliveries > deliveries + 1, { timeout: 10_000, interval: 10 }).toBe(true)
  }
  return { store: shown, looked }
}

/** A gateway on a store, and one thing of each kind that ends some time; `kept` says what is left of them. */
async function setUp(kind: 'SQLite' | 'PostgreSQL') {
  const clocks = createTwoClocks(Date.now())
  const { store, looked } = watched(await createStore(kind), kind === 'PostgreSQL' ? clocks.wall : undefined)
  const peerId = (await createMemoryIdentity()).peerId

  async function boot() {
    const clock = createClock({ limits }, { store: store.clock, logger: silentLog, ...clocks })
    const party = await gatewayWithTokens({ store, limits, clock })
    const { call } = party
    const publish = (topic: string, key: string) =>
      call('POST', `/v1/topics/${topic}/messages`, { token: adminToken, body: { data: topic }, headers: { 'idempotency-key': key } })
    const send = () =>
      call('POST', `/v1/peers/${peerId}/messages`, {
        token: adminToken,
        body: { data: 'x', expiresInMs: hour },
        headers: { 'idempotency-key': 'send' },
      })
    return { ...party, clock, publish, send }
  }

  let party = await boot()
  const { secret: token } = await party.tokenFor(['read'], ['>'], { expiresAt: new Date(clocks.wall() + hour).toISOString() })
  const opened = await party.call('POST', '/v1/session', { token: adminToken })
  const cookie = opened.headers.getSetCookie()[0]?.split(';')[0] ?? ''
  const message = String((await party.publish('orders', 'key')).body['id'])
  const pruned = String((await party.publish('gone', 'other')).body['id'])
  const delivery = String((await party.send()).body['id'])
  await party.call('DELETE', '/v1/topics/gone?purge=true', { token: adminToken })
  expect(await store.log.get(pruned)).toBeUndefined()

  async function kept() {
    const { call, publish, send } = party
    const state = (await call('GET', `/v1/deliveries/${delivery}`, { token: adminToken })).body['state']
    return {
      message: (await store.log.get(message)) !== undefined,
      seen: (await store.log.unknown([pruned])).length === 0,
      key: (await publish('orders', 'key')).body['id'] === message,
      delivery: state,
      deliveryKey: (await send()).body['id'] === delivery,
      token: (await call('POST', '/v1/session', { token })).status,
      session: (await call('GET', '/v1/node', { headers: { cookie, 'sec-fetch-site': 'same-origin' } })).status,
    }
  }

  /** Until a database is asked for its time again. */
  async function notice() {
    clocks.pass(6 * second)
    await party.clock.look()
  }

  return {
    ...{ clocks, looked, kept, notice },
    /** Time passes until the clock is trusted. */
    async settle() {
      await notice()
      clocks.pass(minute + second)
      await party.clock.look()
      expect(party.clock.isHeld).toBe(false)
      expect(party.clock.now()).toBe(Math.floor(clocks.wall()))
    },
    async restart(offMs: number) {
      await party.gateway.stop()
      clocks.restart(offMs)
      party = await boot()
    },
    isHeld: () => party.clock.isHeld,
  }
}

const everything = { message: true, seen: true, key: true, delivery: 'queued', deliveryKey: true, token: 204, session: 200 }

describe.each(['SQLite', 'PostgreSQL'] as const)('on %s', (kind) => {
  test.skipIf(isMissing(kind))(
    'a clock that steps while it runs or is wrong at a start ends nothing before its time',
    { timeout: 60_000 },
    async () => {
      const { clocks, looked, kept, notice, settle, restart, isHeld } = await setUp(kind)
      // Ahead, for a moment and for longer.
      clocks.step(40 * day)
      await notice()
      await looked()
      expect(isHeld()).toBe(true)
      expect(await kept()).toEqual(everything)
      await settle()
      await looked()
      // A token ends at a time of the calendar: by this clock it is over.
      expect(await kept()).toEqual({ ...everything, token: 401 })
      // And back: behind what is stored.
      clocks.step(-40 * day)
      await notice()
      expect(await kept()).toEqual({ ...everything, token: 401 })
      await settle()
      expect(await kept()).toEqual(everything)
      // Behind for a while.
      clocks.step(-30 * day)
      await settle()
      expect(await kept()).toEqual(everything)
      clocks.step(30 * day)
      await settle()
      // The same at a start.
      for (const wrongMs of [40 * day, -30 * day]) {
        await restart(wrongMs)
        await looked()
        expect(isHeld()).toBe(true)
        expect(await kept()).toEqual(everything)
        clocks.step(-wrongMs)
        await settle()
        expect(await kept()).toEqual(everything)
      }
      // What is stored by a wrong clock ages from then on, and everything ends when its time is over.
      clocks.pass(8 * day)
      await notice()
      await expect
        .poll(kept, { timeout: 10_000 })
        .toMatchObject({ message: false, seen: false, delivery: 'expired', token: 401, session: 401 })
      expect(await kept()).toMatchObject({ key: false, deliveryKey: false })
    },
  )
})
