import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createClock } from '../../src/clock/clock.ts'
import { defaultLimits } from '../../src/limits.ts'
import type { ClockStore } from '../../src/store/clock-store.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryDisk, createMemoryStore } from '../fixtures/memory-store.ts'
import { createTwoClocks, day, hour, minute, second } from '../fixtures/two-clocks.ts'

const startAt = 1_800_000_000_000

/** A database and the clocks of its machine; `boot` starts a clock of the log on it. */
function machine(init: { store?: ClockStore; clocks?: ReturnType<typeof createTwoClocks> } = {}) {
  const { store = createMemoryStore(createMemoryDisk()).clock, clocks = createTwoClocks(startAt) } = init
  async function boot() {
    const clock = createClock({ limits: defaultLimits }, { store, logger: silentLog, ...clocks })
    await clock.start()
    onTestFinished(() => clock.stop())
    return clock
  }
  async function pass(clock: { look(): Promise<void> }, ms: number) {
    for (let left = ms; left > 0; left -= second) {
      clocks.pass(Math.min(second, left))
      await clock.look()
    }
  }
  return { clocks, store, boot, pass }
}

/** A machine whose clock was right for an hour. */
async function settled() {
  const parts = machine()
  const clock = await parts.boot()
  await parts.pass(clock, 2 * minute)
  return { ...parts, clock }
}

describe('while the clock is right', () => {
  test('age time is wall time, in whole milliseconds, and small differences are followed at once, but never back', async () => {
    const { clock, clocks } = await settled()
    expect(clock.age()).toBe(startAt + 2 * minute)
    expect(clock.now()).toBe(clock.age())
    clocks.step(40 * second)
    expect([clock.now(), clock.age()]).toEqual([startAt + 160 * second, startAt + 160 * second])
    clocks.step(-40 * second)
    clocks.pass(10.5)
    expect([clock.now(), clock.age(), clock.isHeld]).toEqual([startAt + 160 * second, startAt + 160 * second, false])
    clocks.pass(50 * second)
    expect(clock.now()).toBe(startAt + 170 * second + 10)
    expect(clock.steps).toBe(0)
  })

  test('a time is the same after it was converted to age time and back, also while the clock goes on', async () => {
    const clocks = createTwoClocks(startAt)
    const monotonic = () => {
      clocks.pass(0.3)
      return clocks.monotonic()
    }
    const { boot } = machine({ clocks: { ...clocks, monotonic } })
    const clock = await boot()
    const times = Array.from({ length: 20 }, (_, index) => startAt + index)
    expect(times.map((time) => clock.toWall(clock.toAge(time)))).toEqual(times)
  })

  test('many small steps are a large one', async () => {
    const { clock, clocks } = await settled()
    for (let step = 0; step < 10; step++) {
      clocks.step(50 * second)
      clock.age()
    }
    expect(clock.age()).toBeLessThanOrEqual(startAt + 3 * minute)
    expect(clock.isHeld).toBe(true)
  })
})

describe.each([
  ['ahead', 8 * day],
  ['behind', -30 * day],
])('a clock that steps %s while it runs', (_, stepMs) => {
  test('moves neither time until it has been stable for a minute, and nothing becomes too old meanwhile', async () => {
    const { clock, clocks, pass } = await settled()
    const before = clock.age()
    clocks.step(stepMs)
    expect([clock.now(), clock.age(), clock.isHeld, clock.steps]).toEqual([before, before, true, 1])
    await pass(clock, 59 * second)
    expect([clock.now(), clock.age(), clock.isHeld]).toEqual([before + 59 * second, before + 59 * second, true])
    expect(clock.settledAge()).toBe(before)
    await pass(clock, second)
    expect([clock.now(), clock.age(), clock.isHeld]).toEqual([before + minute + stepMs, before + minute, false])
    expect(clock.settledAge()).toBe(before + minute)
    expect(clock.toWall(clock.age())).toBe(clock.now())
    expect(clock.toAge(clock.now() - hour)).toBe(clock.age() - hour)
    expect(clock.steps).toBe(1)
  })

  test('and comes back before that has done nothing', async () => {
    const { clock, clocks, pass } = await settled()
    const before = clock.age()
    clocks.step(stepMs)
    await pass(clock, 30 * second)
    clocks.step(-stepMs)
    expect([clock.now(), clock.age(), clock.isHeld]).toEqual([before + 30 * second, before + 30 * second, false])
    await pass(clock, 2 * minute)
    expect([clock.now(), clock.age()]).toEqual([before + 150 * second, before + 150 * second])
  })

  test('and steps again before that has to be stable anew', async () => {
    const { clock, clocks, pass } = await settled()
    const before = clock.age()
    for (let step = 0; step < 4; step++) {
      clocks.step(stepMs)
      await pass(clock, 50 * second)
    }
    expect([clock.age(), clock.isHeld]).toEqual([before + 200 * second, true])
    // It is noticed a second later.
    await pass(clock, 11 * second)
    expect([clock.now(), clock.age(), clock.isHeld]).toEqual([before + 211 * second + 4 * stepMs, before + 211 * second, false])
  })

  test('is taken over into the next start', async () => {
    const { clock, clocks, pass, boot } = await settled()
    clocks.step(stepMs)
    await pass(clock, 2 * minute)
    const before = clock.age()
    await clock.stop()
    clocks.restart(10 * second)
    const again = await boot()
    expect([again.age(), again.now(), again.isHeld]).toEqual([before + 10 * second, clocks.wall(), false])
  })
})

describe('after a restart', () => {
  test('the time off counts, a short one at once and a longer one when the clock has been stable', async () => {
    const { clock, clocks, boot, pass } = await settled()
    const before = clock.age()
    await clock.stop()
    clocks.restart(50 * second)
    const soon = await boot()
    expect([soon.age(), soon.now()]).toEqual([before + 50 * second, clocks.wall()])
    await soon.stop()
    clocks.restart(20 * hour)
    const late = await boot()
    expect([late.age(), late.now(), late.isHeld]).toEqual([before + 50 * second, clocks.wall(), false])
    await pass(late, minute)
    expect([late.age(), late.now()]).toEqual([before + 50 * second + 20 * hour + minute, clocks.wall()])
  })

  test('after a crash the time since the last note counts, too', async () => {
    const { clock, clocks, boot, pass } = await settled()
    await pass(clock, 17 * second)
    const before = clock.age()
    clocks.restart(5 * second)
    expect((await boot()).age()).toBe(before + 5 * second)
  })

  test('a day counts at most, and wall time goes on from the last until the clock has been stable', async () => {
    const { clock, clocks, boot, pass } = await settled()
    const before = clock.age()
    await clock.stop()
    clocks.restart(8 * day)
    const again = await boot()
    expect([again.age(), again.now(), again.isHeld]).toEqual([before, before, true])
    await pass(again, minute)
    expect([again.age(), again.now(), again.isHeld]).toEqual([before + day + minute, clocks.wall(), false])
  })

  test('a machine that boots behind counts its true time off when its clock is right', async () => {
    for (const behindMs of [10 * second, 10 * minute]) {
      const { clock, clocks, boot, pass } = await settled()
      const before = clock.age()
      await clock.stop()
      clocks.restart(-30 * day)
      const again = await boot()
      await pass(again, behindMs)
      expect(again.age()).toBe(before + behindMs)
      clocks.step(30 * day + 2 * hour)
      await pass(again, 2 * minute)
      expect([again.age(), again.now()]).toEqual([before + behindMs + 2 * hour + 2 * minute, clocks.wall()])
      // Only once.
      clocks.step(-5 * day)
      await pass(again, 2 * minute)
      expect(again.age()).toBe(before + behindMs + 2 * hour + 4 * minute)
    }
  })

  test('a machine that boots ahead counts no more than its true time off, plausible as the other may have been', async () => {
    for (const aheadMs of [20 * hour, 8 * day]) {
      const { clock, clocks, boot, pass } = await settled()
      const before = clock.age()
      await clock.stop()
      clocks.restart(aheadMs)
      const again = await boot()
      await pass(again, 20 * second)
      clocks.step(2 * hour - aheadMs)
      await pass(again, 61 * second)
      expect([again.age(), again.now(), again.isHeld]).toEqual([before + 2 * hour + 81 * second, clocks.wall(), false])
    }
  })

  test('a crash before the clock has settled loses nothing of the time off', async () => {
    const { clock, clocks, boot, pass } = await settled()
    const before = clock.age()
    await clock.stop()
    clocks.restart(2 * hour)
    await pass(await boot(), 45 * second)
    clocks.restart(second)
    const again = await boot()
    await pass(again, minute)
    expect(again.age()).toBe(before + 2 * hour + 46 * second + minute)
  })
})

test('whatever the wall clock does, age time goes on as time does, and wall time is right a minute after the last step', async () => {
  const someDeeds = fc.array(
    fc.oneof(
      fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 3 * minute }) }),
      fc.record({ do: fc.constant('step' as const), ms: fc.integer({ min: -40 * day, max: 40 * day }) }),
    ),
    { maxLength: 12 },
  )
  await fc.assert(
    fc.asyncProperty(someDeeds, async (deeds) => {
      const { clock, clocks, pass } = await settled()
      let expected = clock.age()
      for (const { do: what, ms } of deeds) {
        const before = clock.age()
        if (what === 'step') clocks.step(ms)
        else await pass(clock, ms)
        if (what === 'pass') expected += ms
        expect(clock.age()).toBeGreaterThanOrEqual(before)
        // Steps below a minute are followed.
        expect(Math.abs(clock.age() - expected)).toBeLessThanOrEqual(deeds.length * minute)
      }
      await pass(clock, minute + second)
      expect(clock.isHeld).toBe(false)
      expect(Math.abs(clock.now() - clocks.wall())).toBeLessThanOrEqual(minute)
    }),
    { numRuns: 40 },
  )
})

describe('with a clock of the database', () => {
  /** Two gateways, each with clocks of its own, of one database. */
  async function pair() {
    const { clock: row } = createMemoryStore(createMemoryDisk())
    const server = createTwoClocks(startAt)
    const store: ClockStore = { ...row, read: async () => ({ ...(await row.read()), wall: server.wall() }) }
    const [one, other] = [machine({ store, clocks: createTwoClocks(startAt - 3 * day) }), machine({ store, clocks: createTwoClocks(1) })]
    const [a, b] = [await one.boot(), await other.boot()]
    async function passAll(ms: number) {
      for (let left = ms; left > 0; left -= second) {
        for (const { pass } of [server, one.clocks, other.clocks]) pass(second)
        await a.look()
        await b.look()
      }
    }
    return { server, one, other, a, b, passAll }
  }

  test('gateways have its time and one age, however wrong their own clocks are', async () => {
    const { one, a, b, server, passAll } = await pair()
    await passAll(minute)
    one.clocks.step(20 * day)
    await passAll(2 * minute)
    for (const { now, age, isHeld } of [a, b]) expect([now(), age(), isHeld]).toEqual([server.wall(), server.wall(), false])
    expect([a.steps, b.steps]).toEqual([0, 0])
  })

  test('one of them adopts a step of it, and the others take that over', async () => {
    const { one, a, b, server, passAll, other } = await pair()
    await passAll(2 * minute)
    const before = a.age()
    server.step(-30 * day)
    await passAll(30 * second)
    expect([a.now(), b.now(), a.age(), b.age()]).toEqual(Array(4).fill(before + 30 * second))
    await passAll(45 * second)
    for (const { now, age, isHeld } of [a, b]) expect([now(), age(), isHeld]).toEqual([server.wall(), before + 75 * second, false])
    expect((await one.store.read()).checkpoint?.generation).toBe(2)
    // One that comes later has the same.
    const third = await other.boot()
    expect([third.age(), third.now()]).toEqual([a.age(), a.now()])
  })

  test('a database that is away leaves time to the monotonic clock', async () => {
    const { server, a, passAll, one } = await pair()
    await passAll(10 * second)
    const before = a.age()
    const { read } = one.store
    one.store.read = () => Promise.reject(new Error('away'))
    await passAll(5 * minute)
    expect([a.now(), a.age()]).toEqual([server.wall(), before + 5 * minute])
    one.store.read = read
    await passAll(10 * second)
    expect(a.age()).toBe(before + 5 * minute + 10 * second)
  })
})
