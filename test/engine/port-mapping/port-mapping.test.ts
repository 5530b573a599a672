import { expect, onTestFinished, test } from 'vitest'
import type { FindRouter } from '../../../src/engine/port-mapping/find-router.ts'
import { createPortMapping } from '../../../src/engine/port-mapping/port-mapping.ts'
import type { LocalPort } from '../../../src/engine/port-mapping/router.ts'
import { createRouterPorts } from '../../../src/engine/port-mapping/router-ports.ts'
import { silentLog } from '../../fixtures/log.ts'

const secret = new Uint8Array(32)
const at = (ip: string, transport: LocalPort['transport'] = 'tcp'): LocalPort => ({ transport, ip, port: 7071 })

/** A router or a firewall in memory, which serves all that it is asked for. */
function edge() {
  const asked: string[] = []
  const open = new Set<string>()
  const find: FindRouter = async (localIps) => {
    asked.push(...localIps)
    return {
      protocol: 'PCP',
      serves: () => true,
      async map({ transport, ip }, port) {
        asked.push(`${transport} ${ip}`)
        open.add(`${transport} ${ip}`)
        return { ip: '8.8.4.4', port }
      },
      unmap: async ({ transport, ip }) => void open.delete(`${transport} ${ip}`),
    }
  }
  return { asked, open, find }
}

test('a router has the ports on private addresses of IPv4, a firewall those on public ones of IPv6, each once', async () => {
  const [router, firewall] = [edge(), edge()]
  let ports = ['192.168.1.2', '192.168.1.2', '127.0.0.1', '11.0.0.1', '2600::1', '2600::1', '::1', 'fd00::1'].map((ip) => at(ip))
  const mapping = createPortMapping(
    { secret },
    { ports: () => ports, onChange: () => undefined, logger: silentLog, findRouter: router.find, findFirewall: firewall.find },
  )
  onTestFinished(() => mapping.stop())
  mapping.start()
  await expect.poll(() => mapping.mapped.map(({ ip }) => ip)).toEqual(['192.168.1.2', '2600::1'])
  expect([router.asked, firewall.asked]).toEqual([
    ['192.168.1.2', 'tcp 192.168.1.2'],
    ['2600::1', 'tcp 2600::1'],
  ])

  ports = [at('192.168.1.2', 'udp'), at('2600::1', 'udp')]
  mapping.changed()
  await expect.poll(() => mapping.mapped).toEqual(ports.map((port) => ({ ...port, external: { ip: '8.8.4.4', port: 7071 } })))
  await mapping.stop()
  expect([router.open, firewall.open].map((open) => [...open])).toEqual([['tcp 192.168.1.2'], ['tcp 2600::1']])
})

test('ports are read where the configuration wants them forwarded, and nowhere else', async () => {
  const read: string[] = []
  const portsOf = (name: string, isOn: boolean) => {
    const ports = () => {
      read.push(name)
      return []
    }
    const made = createRouterPorts({ isOn, secret }, { ports, onChange: () => undefined, logger: silentLog })
    onTestFinished(() => made.stop())
    return made
  }
  const [off, on] = [portsOf('off', false), portsOf('on', true)]
  off.start()
  on.start()
  // Both a router and a firewall have been thought of.
  await expect.poll(() => read).toEqual(['on', 'on'])
  expect([off.mapped, on.mapped]).toEqual([[], []])
})
