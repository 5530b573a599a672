import { expect, onTestFinished, test } from 'vitest'
import { createPortMapper, type MappedPort } from '../../../src/engine/port-mapping/port-mapper.ts'
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
  const state = { ports, searches: 0, changes: 0, forwarded }
  const found: Router = {
    protocol: 'UPnP',
    localIp: ip,
    externalIp: async () => externalIp,
    async map({ transport }, wanted) {
      forwarded.add(`${transport} ${wanted}`)
      return wanted
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
    return 20_001
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
    return wanted
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
