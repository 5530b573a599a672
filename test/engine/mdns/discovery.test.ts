import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import multicastDns from 'multicast-dns'
import { expect, onTestFinished, test } from 'vitest'
import { createLocalDiscovery } from '../../../src/engine/mdns/discovery.ts'
import { silentLog } from '../../fixtures/log.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const loopback = '127.0.0.1'
const elsewhere = '192.0.2.1'
/** Another interface than loopback, if there is one. */
const [outer] = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .flatMap(({ family, internal, address }) => (family === 'IPv4' && !internal ? [address] : []))

/** A node that has these addresses, and somebody who listens on the interface with an address. */
async function discoveryWith(addresses: string[]) {
  const serviceName = `_${randomUUID().slice(0, 8)}._udp.local`
  const { peerId } = await createMemoryIdentity()
  const multiaddrs = addresses.map((address) => `/ip4/${address}/tcp/1/p2p/${peerId}`)
  const found: string[] = []
  const discovery = createLocalDiscovery(
    { serviceName, peerId, multiaddrs: () => multiaddrs },
    { onFound: (other) => found.push(other), logger: silentLog },
  )
  onTestFinished(() => discovery.stop())
  return { serviceName, multiaddrs, discovery, found }
}

function listener(): multicastDns.MulticastDNS {
  const dns = multicastDns()
  onTestFinished(() => new Promise<void>((resolve) => dns.destroy(() => resolve())))
  return dns
}

/** The addresses in each answer that comes from an address of this host. */
function answersTo(dns: multicastDns.MulticastDNS, name: string): { from: string; told: string[] }[] {
  const answers: { from: string; told: string[] }[] = []
  dns.on('response', ({ answers: given, additionals }, { address }: { address: string } = { address: '' }) => {
    if (given?.[0]?.name !== name) return
    const told = (additionals ?? []).flatMap((record) => (record.type === 'TXT' ? [record.data].flat() : []))
    answers.push({ from: address, told: told.map((text) => String(text).slice('dnsaddr='.length)) })
  })
  return answers
}

test('an answer tells on each interface the addresses that lead here from there', async ({ skip }) => {
  skip(outer === undefined, 'another interface than loopback is needed')
  const { serviceName, multiaddrs, discovery } = await discoveryWith([loopback, outer ?? '', elsewhere])
  const dns = listener()
  await once(dns, 'ready')
  const answers = answersTo(dns, serviceName)
  discovery.start()
  await expect.poll(() => answers.find(({ from }) => from === loopback)?.told).toEqual(multiaddrs)
  await expect.poll(() => answers.find(({ from }) => from === outer)?.told).toEqual(multiaddrs.slice(1))
})

test('however many ask, an answer is given once a second', async () => {
  const { serviceName, discovery } = await discoveryWith([loopback])
  const dns = listener()
  await once(dns, 'ready')
  const answers = answersTo(dns, serviceName)
  const since = performance.now()
  discovery.start()
  await expect.poll(() => answers.length).toBe(1)
  dns.query([{ name: serviceName, type: 'PTR' }])
  await expect.poll(() => answers.length).toBe(2)
  expect(performance.now() - since).toBeGreaterThan(999)
})

test('an address that is too long for a record leaves the others to be told', async () => {
  const { serviceName, multiaddrs, discovery } = await discoveryWith([loopback])
  const [short = ''] = multiaddrs
  multiaddrs.unshift(`/dns4/${'long-name.'.repeat(25)}example/tcp/1${short.slice(short.indexOf('/p2p/'))}`)
  const dns = listener()
  await once(dns, 'ready')
  const answers = answersTo(dns, serviceName)
  discovery.start()
  await expect.poll(() => answers.find(({ from }) => from === loopback)?.told).toEqual([short])
})
