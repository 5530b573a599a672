import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { kadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test } from 'vitest'
import { tableOf } from '../../../src/engine/libp2p/dht/dht.ts'
import { boundNetworks, type MaxPerNetwork } from '../../../src/engine/libp2p/dht/table-networks.ts'
import { providerNetwork } from '../../../src/lib/ip-network.ts'

async function newId(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}

/** A routing table of kad-dht whose peers answer pings, except those in `silent`. */
async function tableWith(max: MaxPerNetwork) {
  const node = await createLibp2p({
    services: {
      dht: kadDHT({ protocol: '/test/kad/1.0.0' }),
      // What kad-dht depends on; nobody is connected.
      identify: () => ({ [Symbol.toStringTag]: 'identify', [Symbol.for('@libp2p/service-capabilities')]: ['@libp2p/identify'] }),
      ping: () => ({ [Symbol.for('@libp2p/service-capabilities')]: ['@libp2p/ping'], ping: async () => 1 }),
    },
  })
  onTestFinished(async () => void (await node.stop()))
  const networks = new Map<string, string>()
  const silent = new Set<string>()
  const buckets: { verify(contact: { peerId: PeerId }): Promise<boolean>; add(peerId: PeerId): Promise<void> } & {
    remove(kadId: Uint8Array): Promise<void>
    toIterable(): Iterable<{ peerId: PeerId; kadId: Uint8Array }>
  } = Reflect.get(tableOf(node.services.dht), 'kb')
  buckets.verify = async ({ peerId }) => !silent.has(peerId.toString())
  boundNetworks(tableOf(node.services.dht), max, (peerId) => networks.get(peerId.toString()))

  return {
    silent,
    inTable: (network: string) => [...buckets.toIterable()].filter(({ peerId }) => networks.get(peerId.toString()) === network),
    remove: buckets.remove.bind(buckets),
    async add(network: string | undefined, isSilent = false): Promise<void> {
      const peerId = await newId()
      if (network !== undefined) networks.set(peerId.toString(), network)
      if (isSilent) silent.add(peerId.toString())
      await buckets.add(peerId)
    },
    size: () => [...buckets.toIterable()].length,
  }
}

test('peers of one network have a bounded part of the routing table, however many there are', async () => {
  const { add, inTable } = await tableWith({ perPrefix: 2, inAll: 3 })
  await Promise.all(Array.from({ length: 60 }, () => add('one')))
  expect(inTable('one')).toHaveLength(3)
  await add('another')
  expect(inTable('another')).toHaveLength(1)
})

test('of those with as many leading bits as this node, there are two', async () => {
  const { add, inTable } = await tableWith({ perPrefix: 2, inAll: Number.POSITIVE_INFINITY })
  for (let count = 0; count < 60; count++) await add('one')
  // Of 60 peers some 30 have no leading bit in common with this node, and 15 have one.
  expect(inTable('one').length).toBeGreaterThanOrEqual(4)
  expect(inTable('one').length).toBeLessThan(24)
})

test('private networks, and peers of as many networks, fill the table', async () => {
  const { add, size } = await tableWith({ perPrefix: 2, inAll: 3 })
  for (let count = 0; count < 10; count++) await add(undefined)
  for (let count = 0; count < 10; count++) await add(`network ${count}`)
  expect(size()).toBe(20)
})

test('a peer that does not answer, and one that leaves the table, take no place', async () => {
  const { add, inTable, remove } = await tableWith({ perPrefix: 3, inAll: 3 })
  for (let count = 0; count < 10; count++) await add('one', true)
  expect(inTable('one')).toHaveLength(0)
  for (let count = 0; count < 40; count++) await add('one')
  expect(inTable('one')).toHaveLength(3)
  const [first] = inTable('one')
  if (first === undefined) throw new Error('the table is empty')
  await remove(first.kadId)
  for (let count = 0; count < 40; count++) await add('one')
  expect(inTable('one')).toHaveLength(3)
})

test('a network is a /16 of IPv4 or a /32 of IPv6', () => {
  expect(providerNetwork('192.0.2.1')).toBe('192.0.0.0/16')
  expect(providerNetwork('192.1.2.1')).not.toBe(providerNetwork('192.0.2.1'))
  expect(providerNetwork('2001:db8:1:2::3')).toBe(providerNetwork('2001:db8:ffff::1'))
  expect(providerNetwork('2001:db9::1')).not.toBe(providerNetwork('2001:db8::1'))
})
