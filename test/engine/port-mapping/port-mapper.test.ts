import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createPortMapper, lookMs, type MappedPort } from '../../../src/engine/port-mapping/port-mapper.ts'
import type { LocalPort, Router } from '../../../src/engine/port-mapping/router.ts'
import { silentLog } from '../../fixtures/log.ts'

const ip = '192.168.1.2'
const tcp: LocalPort = { transport: 'tcp', ip, port: 7071 }
const udp: LocalPort = { transport: 'udp', ip, port: 7071 }
const external = (port: LocalPort, outside = port.port): MappedPort => ({ ...port, external: { ip: '8.8.4.4', port: outside } })

/** A mapper with a router in memory. */
function mapper(init: { ports?: LocalPort[]; externalIp?: string; router?: Partial<Router>; missing?: boolean }) {
  const { ports = [tcp, udp], externalIp = '8.8.4.4', router = {}, missing = false } = init
  const forwarded = new Set<string>()
  const state = { now: 0, ports, searches: 0, changes: 0, forwarded }
  const found: Router = {
    protocol: 'UPnP',
    serves: (each) => each === ip,
    externalIp: async () => externalIp,
    async map({ transport }, wanted) {
      forwarded.add(`${transport} ${wanted}`)
      return { port: wanted }
    },
    unmap: async ({ transport }, outside) => void forwarded.delete(`${transport} ${outside}`),
    ...router,
  }
  const made = createPortMapper({
    ports: () => state.ports,
    async findRouter() {
      state.searches++
      return missing ? undefined : found
    },
    onChange: () => state.changes++,
    now: () => state.now,
    logger: silentLog,
  })
  onTestFinished(() => made.stop())
  made.start()
  return { state, mapper: made }
}

test('forwards the ports of this host, and takes them back when it stops', async () => {
  const { state, mapper: made } = mapper({ ports: [tcp, udp, { ...tcp, ip: '10.0.0.2' }] })
  await expect.poll(() => made.mapped).toEqual([external(tcp), external(udp)])
  expect(state.changes).toBe(1)
  expect([...state.forwarded]).toEqual(['tcp 7071', 'udp 7071'])
  await made.stop()
  expect([...state.forwarded]).toEqual([])
  expect(made.mapped).toEqual([])
})

test('asks for the port again that the router gave it, and tells no change then', async () => {
  const wanted: number[] = []
  const map: Router['map'] = async (_port, port) => {
    wanted.push(port)
    return { port: 20_001 }
  }
  const { state, mapper: made } = mapper({ ports: [tcp], router: { map } })
  await expect.poll(() => made.mapped).toEqual([external(tcp, 20_001)])
  made.changed()
  await expect.poll(() => wanted).toEqual([7_071, 20_001])
  expect(state.changes).toBe(1)
})

test('uses no port of a router that has a private address outside itself', async () => {
  const { state, mapper: made } = mapper({ externalIp: '100.64.0.7' })
  await expect.poll(() => state.searches).toBe(1)
  await made.stop()
  expect(state.changes).toBe(0)
  expect([...state.forwarded]).toEqual([])
})

test('a port that the router refuses does not keep it from the others', async () => {
  const map: Router['map'] = async ({ transport }, wanted) => {
    if (transport === 'tcp') throw new Error('refused')
    return { port: wanted }
  }
  const { mapper: made } = mapper({ router: { map } })
  await expect.poll(() => made.mapped).toEqual([external(udp)])
})

test('searches another router when one no longer answers', async () => {
  let answers = true
  const externalIp = async () => {
    if (!answers) throw new Error('no answer')
    return '8.8.4.4'
  }
  const { state, mapper: made } = mapper({ ports: [tcp], router: { externalIp } })
  await expect.poll(() => made.mapped).toHaveLength(1)
  answers = false
  made.changed()
  await expect.poll(() => made.mapped).toEqual([])
  answers = true
  made.changed()
  await expect.poll(() => made.mapped).toHaveLength(1)
  expect(state.searches).toBe(2)
})

test('searches no router for a node without ports on private addresses', async () => {
  const { state, mapper: made } = mapper({ ports: [] })
  await made.stop()
  expect(state.searches).toBe(0)
})

test('maxPorts: at most 16 ports are forwarded', async () => {
  const ports = Array.from({ length: 20 }, (_, index): LocalPort => ({ ...tcp, port: 7_000 + index }))
  const { mapper: made } = mapper({ ports })
  await expect.poll(() => made.mapped).toHaveLength(16)
})

test('removeMs: a router that does not answer does not delay the stop for long', async () => {
  const unmap: Router['unmap'] = (_port, _outside, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  const { mapper: made } = mapper({ ports: [tcp], router: { unmap } })
  await expect.poll(() => made.mapped).toHaveLength(1)
  await made.stop()
  expect(made.mapped).toEqual([])
})

describe('the time of a lease', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
  afterEach(() => void vi.useRealTimers())

  /** A mapper whose router gives ports for some seconds, and the number of times that it was asked. */
  async function leased(seconds: number, isRestarted: () => Promise<boolean> = async () => false) {
    let asked = 0
    const map: Router['map'] = async (_port, wanted) => {
      asked++
      return { port: wanted, seconds }
    }
    const { state, mapper: made } = mapper({ ports: [tcp], router: { map, isRestarted } })
    await expect.poll(() => made.mapped).toHaveLength(1)
    return {
      made,
      /** Lets minutes pass; answers how often the router was asked for the port in all. */
      async pass(minutes: number): Promise<number> {
        for (let minute = 0; minute < minutes; minute++) {
          state.now += lookMs
          await vi.advanceTimersByTimeAsync(lookMs)
        }
        return asked
      },
    }
  }

  test('renewMs: an hour is renewed every ten minutes', async () => {
    const { pass } = await leased(3_600)
    expect([await pass(9), await pass(1), await pass(9), await pass(1)]).toEqual([1, 2, 2, 3])
  })

  test('a shorter one is renewed when half of it is over', async () => {
    const { pass } = await leased(360)
    expect([await pass(2), await pass(1), await pass(3)]).toEqual([1, 2, 3])
  })

  test('lookMs: one of a second, or of none, is renewed once a minute', async () => {
    for (const seconds of [0, 1]) {
      const { pass, made } = await leased(seconds)
      expect(await pass(5)).toBe(6)
      await made.stop()
    }
  })

  test('one of a router that was restarted is renewed within a minute, once', async () => {
    let isRestarted = false
    const { pass } = await leased(3_600, async () => {
      const answer = isRestarted
      isRestarted = false
      return answer
    })
    expect(await pass(2)).toBe(1)
    isRestarted = true
    expect([await pass(1), await pass(2)]).toEqual([2, 2])
  })

  test('a router that does not answer a look keeps its ports until they are renewed', async () => {
    const { made, pass } = await leased(3_600, () => Promise.reject(new Error('no answer')))
    expect(await pass(3)).toBe(1)
    expect(made.mapped).toHaveLength(1)
  })
})

test('a port with a private address outside is taken back', async () => {
  const unmapped: number[] = []
  const router: Partial<Router> = {
    map: async () => ({ ip: '10.0.0.1', port: 1 }),
    unmap: async (_port, outside) => void unmapped.push(outside),
  }
  const { state, mapper: made } = mapper({ ports: [tcp], router })
  await expect.poll(() => unmapped).toHaveLength(1)
  expect(made.mapped).toEqual([])
  expect(state.changes).toBe(0)
})
