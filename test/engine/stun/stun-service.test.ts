import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { createStunService } from '../../../src/engine/stun/stun-service.ts'
import { silentLog } from '../../fixtures/log.ts'

const answer = (port: number) => Buffer.of(port >> 8, port & 255)

function service(stunPort = 0) {
  const stun = createStunService({ stunPort }, { logger: silentLog })
  onTestFinished(() => stun.stop())
  return stun
}

test('a gateway tells the port of its server while it runs', async () => {
  const stun = service()
  const ask = () => Promise.resolve(stun.handle({ from: 'a', body: Buffer.alloc(0), signal: AbortSignal.timeout(10_000) }))
  await expect(stun.handle({ from: 'a', body: Buffer.alloc(0), signal: AbortSignal.timeout(10_000) })).rejects.toThrow('not running')
  stun.start()
  await expect.poll(() => ask().catch(() => Buffer.alloc(0))).toHaveLength(2)
  await stun.stop()
  await expect(ask()).rejects.toThrow('not running')
})

test('a taken port ends nothing', async () => {
  const socket = createSocket('udp6').bind(0)
  onTestFinished(() => void socket.close())
  await once(socket, 'listening')
  const stun = service(socket.address().port)
  stun.start()
  await stun.stop()
})

/** A link whose peer says that it has a server at a port, and how often it was asked. */
function linked(ip: string, port: number) {
  const link = { key: {}, ip, times: 0, ask: async () => answer(port) }
  const ask = async () => {
    link.times++
    return answer(port)
  }
  return Object.assign(link, { ask })
}

test('two servers of linked gateways are named, each asked once for its port', async () => {
  const stun = service()
  const links = [linked('192.0.2.1', 3_478), linked('2001:db8::1', 7_073)]
  for (const _ of [1, 2]) {
    expect(await stun.of(links)).toEqual([
      { hostname: '192.0.2.1', port: 3_478 },
      { hostname: '2001:db8::1', port: 7_073 },
    ])
  }
  expect(links.map(({ times }) => times)).toEqual([1, 1])
})

test('however many peers say that they have a server, each has its turn, and those of one address have one', async () => {
  const stun = service()
  const links = [...Array.from({ length: 20 }, () => linked('192.0.2.1', 1)), linked('192.0.2.2', 2), linked('192.0.2.3', 3)]
  const named = [await stun.of(links), await stun.of(links), await stun.of(links)]
  expect(named.map((servers) => servers.map(({ port }) => port))).toEqual([
    [1, 2],
    [3, 1],
    [2, 3],
  ])
})

test('a gateway that answers nothing useful, or is linked by a name, is no server', async () => {
  const links = [
    { key: {}, ip: 'gateway.example', ask: async () => answer(1) },
    { key: {}, ip: '192.0.2.1', ask: async () => Buffer.alloc(0) },
    { key: {}, ip: '192.0.2.2', ask: async () => answer(0) },
  ]
  const stun = service()
  for (const link of links) expect(await stun.of([link])).toEqual([])
})
