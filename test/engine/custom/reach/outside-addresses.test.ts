import { expect, test } from 'vitest'
import { outsideAddresses, portOf } from '../../../../src/engine/custom/reach/outside-addresses.ts'

const listened = ['/ip4/127.0.0.1/tcp/7071/ws', '/ip4/192.168.1.2/tcp/7071/ws', '/ip6/2a0c::2/tcp/443/wss']
const mapped = (ip: string, port: number, external: { ip: string; port: number }) => ({ transport: 'tcp' as const, ip, port, external })

test('a node is looked for at the port that its router forwards, and not at another of the same router', () => {
  const from = { listened, observed: ['11.0.0.11'], mapped: [mapped('192.168.1.2', 7_071, { ip: '11.0.0.11', port: 31_000 })] }
  expect(outsideAddresses(from)).toEqual({ forwarded: ['/ip4/11.0.0.11/tcp/31000/ws'], assumed: [] })
})

test('a node is looked for where peers see it, at the port that it listens on, when no router says that it forwards one there', () => {
  const from = { listened, observed: ['11.0.0.12', '2a0c::9'], mapped: [mapped('192.168.1.2', 7_071, { ip: '11.0.0.11', port: 7_071 })] }
  expect(outsideAddresses(from)).toEqual({
    forwarded: ['/ip4/11.0.0.11/tcp/7071/ws'],
    assumed: ['/ip4/11.0.0.12/tcp/7071/ws', '/ip6/2a0c::9/tcp/7071/ws'],
  })
})

test('a port that a firewall lets packets through to is that of the listened address, with its form', () => {
  const from = { listened, observed: [], mapped: [mapped('2a0c::2', 443, { ip: '2a0c::2', port: 443 })] }
  expect(outsideAddresses(from)).toEqual({ forwarded: ['/ip6/2a0c::2/tcp/443/wss'], assumed: [] })
})

test('forwarded ports of other programs, and a node that does not listen, have no addresses', () => {
  const other = mapped('192.168.1.2', 7_072, { ip: '11.0.0.11', port: 7_072 })
  expect(outsideAddresses({ listened, observed: [], mapped: [other] })).toEqual({ forwarded: [], assumed: [] })
  expect(outsideAddresses({ listened: [], observed: ['11.0.0.11'], mapped: [other] })).toEqual({ forwarded: [], assumed: [] })
})

test('the port of an address is known when it has an IP address', () => {
  expect(portOf('/ip4/192.168.1.2/tcp/7071/ws')).toEqual([{ transport: 'tcp', ip: '192.168.1.2', port: 7_071 }])
  expect(portOf('/dns4/gateway.example/tcp/443/wss')).toEqual([])
})
