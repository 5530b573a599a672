import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { createLocalDiscovery } from '../../../src/engine/mdns/discovery.ts'
import { createPacketFilter } from '../../../src/engine/mdns/packet-filter.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

/** Packets that anyone may send to the port of multicast DNS. */

const name = '_hostile._udp.local'
const neighbour = { address: '192.168.1.9', port: 5353 }

/** The start of a packet with as many records, which names the service. */
function packetOf({ records = 1, bytes = 100, response = true, service = '_hostile' } = {}): Buffer {
  const packet = Buffer.alloc(bytes)
  packet.writeUInt16BE(response ? 0x8400 : 0, 2)
  packet.writeUInt16BE(records, 6)
  packet.writeUInt8(service.length, 12)
  packet.write(service, 13)
  return packet
}

function filterOf({ now = () => 0 }: { now?: () => number } = {}) {
  const filter = createPacketFilter({ name }, { now })
  filter.setNetworks(['192.168.1.2/24', '127.0.0.1/8'])
  return filter
}

/**
 * An answer whose records each follow one chain of pointers: 260 ms to parse. Its end is cut off, which the parser reports
 * after it.
 */
function chains(): Buffer {
  const packet = Buffer.alloc(65_507)
  packet.writeUInt16BE(0x8400, 2)
  // The name is that of a question.
  packet.writeUInt16BE(1, 4)
  let at = 12
  for (const label of name.split('.')) {
    at = packet.writeUInt8(label.length, at)
    at += packet.write(label, at)
  }
  at += 5
  const record = (head: number[], length: number) => {
    packet.set(head, at)
    at += head.length
    packet.writeUInt16BE(0xff00, at)
    packet.writeUInt16BE(1, at + 2)
    packet.writeUInt16BE(length, at + 8)
    at += 10
  }
  const pointer = (to: number) => [0xc0 | (to >> 8), to & 0xff]
  const jumps = 8_100
  record([0], jumps * 2)
  let last = 12
  for (let jump = 0; jump < jumps; jump++) {
    packet.set(pointer(last), at)
    last = at
    at += 2
  }
  let records = 1
  for (; at + 12 <= packet.length; records++) record(pointer(last), 0)
  packet.writeUInt16BE(records, 6)
  return packet.subarray(0, at - 1)
}

test.each([
  ['is longer than any of multicast DNS', packetOf({ bytes: 9_001 }), neighbour],
  ['has more records than any node sends', packetOf({ records: 65 }), neighbour],
  ['has no header', Buffer.from('_hostile'), neighbour],
  ['is about another service', packetOf({ service: '_others' }), neighbour],
  ['answers from another port', packetOf(), { ...neighbour, port: 5354 }],
  ['answers from another network', packetOf(), { ...neighbour, address: '203.0.113.9' }],
  ['asks from another network', packetOf({ response: false }), { ...neighbour, address: '203.0.113.9' }],
])('a packet that %s is not parsed', (_, packet, from) => {
  expect(filterOf().isAccepted(packet, from)).toBe(false)
})

test.each([
  ['an answer of a neighbour', packetOf({ bytes: 9_000 }), neighbour],
  ['an answer on this host', packetOf(), { ...neighbour, address: '127.0.0.1' }],
  ['a query of a neighbour, from whatever port', packetOf({ response: false }), { ...neighbour, port: 40_000 }],
])('%s is parsed', (_, packet, from) => {
  expect(filterOf().isAccepted(packet, from)).toBe(true)
})

test('however much one host sends, packets of others are parsed', () => {
  let now = 0
  const filter = filterOf({ now: () => now })
  const flood = () => Array.from({ length: 1_000 }, () => filter.isAccepted(packetOf(), neighbour)).filter(Boolean).length
  expect(flood()).toBe(100)
  expect(filter.isAccepted(packetOf(), { ...neighbour, address: '192.168.1.10' })).toBe(true)
  now = 1_000
  expect(flood()).toBe(50)
})

test('a packet that is costly to parse counts as many', () => {
  const filter = filterOf()
  const costly = packetOf({ bytes: 9_000, records: 64 })
  const parsed = Array.from({ length: 100 }, () => filter.isAccepted(costly, neighbour)).filter(Boolean)
  expect(parsed.length).toBeLessThan(2)
})

test('packets about other services cost a host none of its share', () => {
  const filter = filterOf()
  for (let packet = 0; packet < 1_000; packet++) filter.isAccepted(packetOf({ service: '_others' }), neighbour)
  expect(filter.isAccepted(packetOf(), neighbour)).toBe(true)
})

test('a node is found among packets that would take seconds to parse, and none of these is parsed', async () => {
  const parsed: unknown[] = []
  const logger = pino({ level: 'debug' }, { write: (line) => void parsed.push(line) })
  const start = async () => {
    const { peerId } = await createMemoryIdentity()
    const found: string[] = []
    const init = { serviceName: name, peerId, multiaddrs: () => [`/ip4/127.0.0.1/tcp/1/p2p/${peerId}`] }
    const discovery = createLocalDiscovery(init, { onFound: (other) => found.push(other), logger })
    onTestFinished(() => discovery.stop())
    discovery.start()
    return { peerId, found }
  }
  const attacker = createSocket({ type: 'udp4', reuseAddr: true })
  onTestFinished(() => void attacker.close())
  attacker.bind(5353)
  await once(attacker, 'listening')
  attacker.setMulticastInterface('127.0.0.1')
  const first = await start()
  const packet = chains()
  for (let sent = 0; sent < 20; sent++) await new Promise((resolve) => attacker.send(packet, 5353, '224.0.0.251', resolve))
  const second = await start()
  await expect.poll(() => first.found).toContain(second.peerId)
  await expect.poll(() => second.found).toContain(first.peerId)
  expect(parsed).toEqual([])
})
