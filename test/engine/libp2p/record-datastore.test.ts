import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { Key } from 'interface-datastore'
import { expect, test } from 'vitest'
import { RecordDatastore } from '../../../src/engine/libp2p/dht/record-datastore.ts'
import { silentLog } from '../../fixtures/log.ts'
import { createMemoryStore } from '../../fixtures/memory-store.ts'

/** Peers with the keys that libp2p's peer store gives their records. */
async function somePeers(count: number) {
  const keys = await Promise.all(Array.from({ length: count }, () => generateKeyPair('Ed25519')))
  const ids = keys.map((key) => peerIdFromPrivateKey(key))
  return ids.map((id) => ({ peerId: id.toString(), key: new Key(`/peers/${id.toCID().toString()}`) }))
}

test('maxKnownPeers: of the peers that libp2p hears of the longest unchanged are forgotten, in this life and the next, but none that is linked', async () => {
  const { records } = createMemoryStore()
  const peers = await somePeers(12)
  const [first, second] = peers
  if (first === undefined || second === undefined) throw new Error('no peers')
  const open = async (maxPeers: number) => {
    const datastore = new RecordDatastore({ maxPeers }, { records, isLinked: (peerId) => peerId === first.peerId, logger: silentLog })
    await datastore.open()
    return datastore
  }
  const kept = async () => {
    const names = new Set((await records.list('/libp2p/peers/')).map(({ key }) => key.slice('/libp2p'.length)))
    return peers.flatMap(({ key }, index) => (names.has(key.toString()) ? index : []))
  }

  const datastore = await open(5)
  datastore.put(new Key('/dht/provider/x'), Uint8Array.of(1))
  for (const { key } of peers.slice(0, 5)) datastore.put(key, Uint8Array.of(1))
  datastore.put(second.key, Uint8Array.of(2))
  for (const { key } of peers.slice(5, 8)) datastore.put(key, Uint8Array.of(1))
  await datastore.flush()
  expect(await kept()).toEqual([0, 1, 5, 6, 7])
  for (const { key } of peers.slice(8)) datastore.put(key, Uint8Array.of(1))
  await datastore.close()
  expect(await kept()).toEqual([0, 8, 9, 10, 11])

  const next = await open(3)
  await next.close()
  expect(await kept()).toHaveLength(3)
  expect(await kept()).toContain(0)
  expect(await records.list('/libp2p/dht/')).toHaveLength(1)
})

test('a change can be read while it is written, and a failed write fails no later one', async () => {
  const { records } = createMemoryStore()
  let held = Promise.withResolvers<void>()
  const slow = {
    ...records,
    async write(changes: Parameters<typeof records.write>[0]) {
      await held.promise
      await records.write(changes)
    },
  }
  const datastore = new RecordDatastore({ maxPeers: 5 }, { records: slow, isLinked: () => false, logger: silentLog })
  await datastore.open()
  const key = new Key('/dht/x')
  datastore.put(key, Uint8Array.of(1))
  const flushed = datastore.flush()
  expect(await datastore.get(key)).toEqual(Uint8Array.of(1))
  held.reject(new Error('the disk is full'))
  await flushed
  await expect(datastore.get(key)).rejects.toThrow()
  held = Promise.withResolvers()
  held.resolve()
  datastore.put(key, Uint8Array.of(2))
  await datastore.flush()
  expect(await records.get('/libp2p/dht/x')).toEqual(Uint8Array.of(2))
  await datastore.close()
})
