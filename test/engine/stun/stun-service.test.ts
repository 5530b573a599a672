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

test('two servers of linked gateways are named, each asked once for its port', async () => {
  const stun = service()
  let asked = 0
  const link = (ip: string, port: number) => ({
    key: {},
    ip,
    async ask() {
      asked++
      return answer(port)
    },
  })
  const links = [link('192.0.2.1', 3_478), link('2001:db8::1', 7_073), link('192.0.2.3', 1)]
  expect(await stun.of(links)).toEqual(['stun:192.0.2.1:3478', 'stun:[2001:db8::1]:7073'])
  expect(await stun.of(links)).toHaveLength(2)
  expect(asked).toBe(2)
})

test('a gateway that answers nothing useful, or is linked by a name, is no server', async () => {
  const links = [
    { key: {}, ip: 'gateway.example', ask: async () => answer(1) },
    { key: {}, ip: '192.0.2.1', ask: async () => Buffer.alloc(0) },
  ]
  expect(await service().of(links)).toEqual([])
})
