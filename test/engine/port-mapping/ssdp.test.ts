import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { searchRouter } from '../../../src/engine/port-mapping/ssdp.ts'

/** Searches on the multicast group itself, by the interfaces of this host. */

const group = '239.255.255.250'
const device = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'
const localIps = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .flatMap(({ family, address }) => (family === 'IPv4' ? [address] : []))
const loopback = '127.0.0.1'

/** The signal of a search that no test needs to end. */
const unending = () => new AbortController().signal

/** A device in the network of an address of this host; it says what it hears from there, and what it answers is up to the test. */
async function deviceAt(ip: string, onSearch: (socket: Socket, from: RemoteInfo, text: string) => void): Promise<Socket> {
  const listening = createSocket({ type: 'udp4', reuseAddr: true })
  onTestFinished(() => void listening.close())
  listening.bind(1900, group)
  await once(listening, 'listening')
  listening.addMembership(group, ip)
  // It answers from its own address.
  const answering = createSocket('udp4')
  onTestFinished(() => void answering.close())
  answering.bind(0, ip)
  await once(answering, 'listening')
  listening.on('message', (message, from) => {
    if (from.address === ip) onSearch(answering, from, message.toString())
  })
  return answering
}

function answer(location: string, st = device): string {
  return ['HTTP/1.1 200 OK', `ST: ${st}`, `LOCATION: ${location}`, '', ''].join('\r\n')
}

test.each(localIps)('a router that hears the group in the network of %s is found', async (ip) => {
  const heard: string[] = []
  await deviceAt(ip, (socket, from, text) => {
    heard.push(text)
    socket.send(answer(`http://${ip}:5000/root.xml`), from.port, from.address)
  })
  const found = await searchRouter([ip], unending())
  expect(found).toEqual({ location: new URL(`http://${ip}:5000/root.xml`), localIp: ip })
  expect(heard[0]).toMatch(/^M-SEARCH \* HTTP\/1\.1\r\nHOST: 239\.255\.255\.250:1900\r\nMAN: "ssdp:discover"\r\n/)
})

test('a search that was lost is repeated', async () => {
  let searches = 0
  await deviceAt(loopback, (socket, from) => {
    // Two of the first attempt: one for each version.
    if (++searches > 2) socket.send(answer(`http://${loopback}:5000/`), from.port, from.address)
  })
  expect((await searchRouter([loopback], unending()))?.location.port).toBe('5000')
})

test('hostile answers are passed over: those of other devices, with the address of another host, and of any bytes', async () => {
  await deviceAt(loopback, (socket, from) => {
    const hostile = [
      answer('http://192.0.2.1:5000/'),
      answer('http://localhost:5000/'),
      answer('http://127.0.0.2:5000/'),
      answer(`http://127.0.0.1@192.0.2.1:5000/`),
      answer('file:///etc/passwd'),
      answer(`http://${loopback}:5001/`, 'upnp:rootdevice'),
      '',
      'HTTP/1.1 200 OK',
      'x'.repeat(60_000),
      ':\r\n'.repeat(20_000),
      `HTTP/1.1 200 OK\r\nST: ${device}\r\nLOCATION: http://[`,
    ]
    for (const text of hostile) socket.send(text, from.port, from.address)
    socket.send(answer(`http://${loopback}:5000/`), from.port, from.address)
  })
  expect((await searchRouter([loopback], unending()))?.location.href).toBe(`http://${loopback}:5000/`)
})

test('a search without an answer ends with its signal', async () => {
  const ending = new AbortController()
  await deviceAt(loopback, () => ending.abort())
  await expect(searchRouter([loopback], ending.signal)).resolves.toBeUndefined()
})

test('an address that this host does not have ends the search, and nothing else', async () => {
  await expect(searchRouter(['192.0.2.1'], AbortSignal.timeout(60_000))).resolves.toBeUndefined()
})
