import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore'
import { expect, test } from 'vitest'
import { asking } from '../../src/engine/libp2p/dht.ts'
import { DhtDatastore } from '../../src/engine/libp2p/dht-datastore.ts'
import { namespacesOf } from '../../src/engine/libp2p/dht-namespaces.ts'
import { DhtQuotaReached } from '../../src/errors.ts'
import { defaultLimits, type Limits } from '../../src/limits.ts'

const hour = 3_600_000

function create(limits: Partial<Limits>, inner = new MemoryDatastore()) {
  const clock = { now: 0 }
  const datastore = new DhtDatastore(
    { limits: { ...defaultLimits, ...limits } },
    { inner, namespaces: namespacesOf('lan'), now: () => clock.now },
  )
  return { inner, datastore, clock }
}

function leave(datastore: DhtDatastore, from: string, name: string, bytes = 10): Promise<Key> {
  return asking.run(from, () => datastore.put(new Key(`/dht/record/${name}`), new Uint8Array(bytes)))
}

test('maxDhtRecords: beyond it nobody leaves anything, but what is there may be renewed', async () => {
  const { datastore } = create({ maxDhtRecords: 2 })
  await leave(datastore, 'alice', 'a')
  await leave(datastore, 'bob', 'b')
  await expect(leave(datastore, 'carol', 'c')).rejects.toThrow(DhtQuotaReached)
  expect(await datastore.has(new Key('/dht/record/c'))).toBe(false)
  await leave(datastore, 'bob', 'b', 20)
  await datastore.delete(new Key('/dht/record/a'))
  await leave(datastore, 'carol', 'c')
})

test('maxDhtBytes: the same by bytes', async () => {
  const { datastore } = create({ maxDhtBytes: 100 })
  await leave(datastore, 'alice', 'a', 60)
  await expect(leave(datastore, 'bob', 'b', 50)).rejects.toThrow(DhtQuotaReached)
  await leave(datastore, 'bob', 'b', 40)
})

test('maxDhtRecordsPerPeer and maxDhtBytesPerPeer: one peer leaves room for others', async () => {
  const { datastore } = create({ maxDhtRecordsPerPeer: 2, maxDhtBytesPerPeer: 100 })
  await leave(datastore, 'alice', 'a')
  await expect(leave(datastore, 'alice', 'b', 95)).rejects.toThrow(DhtQuotaReached)
  await leave(datastore, 'alice', 'b')
  await expect(leave(datastore, 'alice', 'c')).rejects.toThrow(DhtQuotaReached)
  await leave(datastore, 'bob', 'c', 95)
})

test('what this node itself puts is never refused', async () => {
  const { datastore } = create({ maxDhtRecords: 1 })
  for (const name of ['a', 'b', 'c']) await datastore.put(new Key(`/dht/record/${name}`), new Uint8Array(10))
  expect(await datastore.has(new Key('/dht/record/c'))).toBe(true)
})

test('what was left before a restart counts', async () => {
  const inner = new MemoryDatastore()
  const before = create({}, inner)
  await asking.run('alice', () => before.datastore.put(new Key('/dht/provider/content/alice'), new Uint8Array(5)))
  const { datastore } = create({ maxDhtRecordsPerPeer: 1 }, inner)
  await expect(leave(datastore, 'alice', 'a')).rejects.toThrow(DhtQuotaReached)
  await leave(datastore, 'bob', 'a')
})

test('values are removed two days after they came', async () => {
  const { datastore, clock, inner } = create({ maxDhtRecords: 2 })
  await leave(datastore, 'alice', 'a')
  clock.now = 47 * hour
  await leave(datastore, 'alice', 'b')
  clock.now = 49 * hour
  await leave(datastore, 'alice', 'c')
  expect([inner.has(new Key('/dht/record/a')), inner.has(new Key('/dht/record/b'))]).toEqual([false, true])
})
