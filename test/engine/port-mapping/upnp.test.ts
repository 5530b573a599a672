import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { locationIn, searchRouter } from '../../../src/engine/port-mapping/ssdp.ts'
import { routerOf } from '../../../src/engine/port-mapping/upnp.ts'
import { firewallOf } from '../../../src/engine/port-mapping/upnp-firewall.ts'
import { serviceIn, UpnpRefusal } from '../../../src/engine/port-mapping/upnp-service.ts'
import { holdDeadlines } from '../../fixtures/held-deadlines.ts'

const signal = AbortSignal.timeout(60_000)
const location = new URL('http://192.168.1.1:5000/rootDesc.xml')
const igd = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'
const connection = 'urn:schemas-upnp-org:service:WANIPConnection:1'
const firewallControl = 'urn:schemas-upnp-org:service:WANIPv6FirewallControl:1'
const port = { transport: 'tcp', ip: '192.168.1.2', port: 7071 } as const

function answerOf(headers: Record<string, string>, status = 'HTTP/1.1 200 OK'): string {
  return [status, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n')
}

function description(control: string, type = connection, base = ''): string {
  const service = (name: string, path: string) => `<service>\n<serviceType>${name}</serviceType><controlURL>${path}</controlURL></service>`
  return `<root>${base}<serviceList>${service('urn:schemas-upnp-org:service:Layer3Forwarding:1', '/l3')}${service(type, control)}</serviceList></root>`
}

/** A router whose answers a test decides. Notes the actions and their values. */
async function router(answer: (action: string, body: string) => { status?: number; body: string }, host = '127.0.0.1') {
  const asked: Array<{ action: string; body: string; from: string | undefined }> = []
  const server = createServer(async (request, response) => {
    const body = (await request.toArray()).join('')
    const action = /#(\w+)/.exec(String(request.headers['soapaction']))?.[1] ?? ''
    asked.push({ action, body, from: request.socket.remoteAddress })
    const { status = 200, body: text } = answer(action, body)
    response.writeHead(status, { 'content-type': 'text/xml' }).end(text)
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  onTestFinished(() => void server.close())
  const { port: at } = server.address() as AddressInfo
  const control = new URL(`http://${host.includes(':') ? `[${host}]` : host}:${at}/control`)
  return { asked, control, router: routerOf({ type: connection, control }, host), firewall: firewallOf({ type: firewallControl, control }) }
}

const fault = (code: number) => ({
  status: 500,
  body: `<errorCode>${code}</errorCode><errorDescription>No &lt;way&gt;</errorDescription>`,
})
const valueIn = (body: string | undefined, name: string) => new RegExp(`<${name}>(.*?)</${name}>`).exec(body ?? '')?.[1]

test('the location of a router is on the address that it answers from', () => {
  expect(locationIn(answerOf({ ST: igd, Location: location.href }), '192.168.1.1')?.href).toBe(location.href)
})

test('the location of a router of IPv6 is on the address that it answers from', () => {
  expect(locationIn(answerOf({ ST: igd, LOCATION: 'http://[2a0c::1]:5000/' }), '2a0c::1')?.hostname).toBe('[2a0c::1]')
})

test.each([
  ['another host', answerOf({ ST: igd, LOCATION: 'http://192.168.1.9:5000/' })],
  ['a name', answerOf({ ST: igd, LOCATION: 'http://router.example/' })],
  ['a file', answerOf({ ST: igd, LOCATION: 'file:///etc/passwd' })],
  ['another protocol', answerOf({ ST: igd, LOCATION: 'https://192.168.1.1:5000/' })],
  ['another IPv6 host', answerOf({ ST: igd, LOCATION: 'http://[2a0c::9]:5000/' })],
  ['no location', answerOf({ ST: igd })],
  ['another device', answerOf({ ST: 'upnp:rootdevice', LOCATION: location.href })],
  ['an announcement', answerOf({ ST: igd, LOCATION: location.href }, 'NOTIFY * HTTP/1.1')],
])('an answer with %s is no router', (_, answer) => {
  expect(locationIn(answer, '192.168.1.1')).toBeUndefined()
})

test.each([
  ['/control', '', 'http://192.168.1.1:5000/control'],
  ['control', '', 'http://192.168.1.1:5000/control'],
  ['http://192.168.1.1:80/control', '', 'http://192.168.1.1/control'],
  ['/control', '<URLBase>http://192.168.1.1:81/</URLBase>', 'http://192.168.1.1:81/control'],
])('ports are controlled at %s%s', (control, base, url) => {
  expect(serviceIn(description(control, connection, base), location, [connection])).toEqual({ type: connection, control: new URL(url) })
})

test('a description of 256 KiB costs some readings of it, whatever is missing in it', () => {
  /** Milliseconds of the quickest of three runs. */
  const costOf = (work: () => void) => {
    const runs = [1, 2, 3].map(() => {
      const since = performance.now()
      work()
      return performance.now() - since
    })
    return Math.min(...runs)
  }
  for (const piece of ['<service>', '<service></service>', '</service>', '<serviceType>', '<service', '<URLBase>']) {
    const text = piece.repeat(262_144 / piece.length)
    const reading = costOf(() => Array.from(text))
    expect(costOf(() => serviceIn(text, location, [connection, firewallControl]))).toBeLessThan(50 * reading)
  }
})

test.each([
  ['http://192.168.1.9/control', ''],
  ['https://192.168.1.1/control', ''],
  ['/control', '<URLBase>http://10.0.0.1/</URLBase>'],
])('ports are not controlled at %s%s, which is not on the router', (control, base) => {
  expect(serviceIn(description(control, connection, base), location, [connection])).toBeUndefined()
})

test('of the services of a router the first one that was asked for is taken', () => {
  const newer = connection.replace(':1', ':2')
  const both = description('/old') + description('/new', newer)
  expect(serviceIn(both, location, [newer, connection])?.type).toBe(newer)
})

test('a device without a service for ports is no router', () => {
  expect(
    serviceIn(description('/control', 'urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1'), location, [connection]),
  ).toBeUndefined()
})

test('a port is forwarded for an hour', async () => {
  const { asked, router: made } = await router(() => ({ body: '' }))
  expect(await made.map(port, 7071, signal)).toEqual({ port: 7071 })
  expect(valueIn(asked[0]?.body, 'NewLeaseDuration')).toBe('3600')
  expect(valueIn(asked[0]?.body, 'NewInternalClient')).toBe('192.168.1.2')
})

test('a router that forwards without a time only is asked for that', async () => {
  const { asked, router: made } = await router((_, body) => (valueIn(body, 'NewLeaseDuration') === '0' ? { body: '' } : fault(725)))
  expect(await made.map(port, 7071, signal)).toEqual({ port: 7071 })
  expect(asked.map(({ body }) => valueIn(body, 'NewLeaseDuration'))).toEqual(['3600', '0'])
})

test('where another host has the port, others are tried, five in all', async () => {
  const taken = await router((_, body) => (valueIn(body, 'NewExternalPort') === '7071' ? fault(718) : { body: '' }))
  const { port: outside } = await taken.router.map(port, 7071, signal)
  expect(outside).toBeGreaterThanOrEqual(20_000)
  const full = await router(() => fault(718))
  await expect(full.router.map(port, 7071, signal)).rejects.toThrow(UpnpRefusal)
  expect(full.asked).toHaveLength(5)
})

test('a router is asked from the address that it was found on, and serves no other', async () => {
  const { asked, control } = await router(() => ({ body: '<NewExternalIPAddress>8.8.4.4</NewExternalIPAddress>' }))
  const made = routerOf({ type: connection, control }, '127.0.0.2')
  expect(await made.externalIp?.(signal)).toBe('8.8.4.4')
  expect(asked.map(({ from }) => from)).toEqual(['127.0.0.2'])
  expect([made.serves('127.0.0.2'), made.serves('127.0.0.1')]).toEqual([true, false])
})

test('another refusal has no other port tried, and none without a time', async () => {
  const { asked, router: made } = await router(() => fault(606))
  await expect(made.map(port, 7071, signal)).rejects.toThrow(UpnpRefusal)
  expect(asked).toHaveLength(1)
})

test('a forwarded port that the router does not remove is an error', async () => {
  const { router: made } = await router(() => fault(606))
  await expect(made.unmap(port, 7071, signal)).rejects.toThrow(UpnpRefusal)
})

test('answerMs: a router that does not answer is given up after five seconds', async () => {
  const passDeadlines = holdDeadlines(5_000)
  const asked = Promise.withResolvers<void>()
  const server = createServer(() => asked.resolve())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const control = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/control`)
  const answer = routerOf({ type: connection, control }, '127.0.0.1').externalIp?.(signal)
  await asked.promise
  passDeadlines()
  await expect(answer).rejects.toThrow(/abort/i)
})

test('no router is searched for a host without addresses', async () => {
  expect(await searchRouter([], signal)).toBeUndefined()
})

test('a refusal has the words of the router', async () => {
  const { router: made } = await router(() => fault(606))
  await expect(made.map(port, 7071, signal)).rejects.toThrow('the router refuses: No &lt;way&gt; (UPnP error 606)')
})

test('a port that the router does not forward any more is removed', async () => {
  const { router: made } = await router(() => fault(714))
  await made.unmap(port, 7071, signal)
})

test('maxAnswerBytes: an answer of more than 256 KiB is not read', async () => {
  const { router: made } = await router(() => ({ body: ' '.repeat(262_145) }))
  await expect(made.externalIp?.(signal)).rejects.toThrow(/too long/)
})

/** A host of IPv6, which asks from its own address: the loopback one here. */
const open6 = { transport: 'udp', ip: '::1', port: 7071 } as const

test('a firewall is asked for an hour, and for the end by the name that it gave', async () => {
  const { asked, firewall } = await router((action) => ({ body: action === 'AddPinhole' ? '<UniqueID>17</UniqueID>' : '' }), '::1')
  expect([firewall.serves('::1'), firewall.serves('192.168.1.2')]).toEqual([true, false])
  expect(await firewall.map(open6, 7071, signal)).toEqual({ ip: '::1', port: 7071 })
  const values = ['InternalClient', 'InternalPort', 'Protocol', 'LeaseTime'].map((name) => valueIn(asked[0]?.body, name))
  expect(values).toEqual(['::1', '7071', '17', '3600'])
  await firewall.unmap(open6, 7071, signal)
  await firewall.unmap(open6, 7071, signal)
  expect(asked.map(({ action }) => action)).toEqual(['AddPinhole', 'DeletePinhole'])
  expect(valueIn(asked[1]?.body, 'UniqueID')).toBe('17')
})

test.each([
  [704, true],
  [606, false],
])('an opening that the firewall does not remove with error %i is gone: %s', async (code, isGone) => {
  const { firewall } = await router((action) => (action === 'AddPinhole' ? { body: '<UniqueID>17</UniqueID>' } : fault(code)), '::1')
  await firewall.map(open6, 7071, signal)
  const removed = firewall.unmap(open6, 7071, signal).then(
    () => true,
    () => false,
  )
  expect(await removed).toBe(isGone)
})
