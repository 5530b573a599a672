import { MemoryDatastore } from 'datastore-core'
import { Key } from 'interface-datastore'
import { expect, test } from 'vitest'
import { asking } from '../../../src/engine/libp2p/dht/dht.ts'
import { DhtDatastore } from '../../../src/engine/libp2p/dht/dht-datastore.ts'
import { namespacesOf } from '../../../src/engine/libp2p/dht/dht-namespaces.ts'
import { DhtQuotaReached } from '../../../src/errors.ts'
import { defaultLimits, type Limits } from '../../../src/limits.ts'

const hour = 3_600_000

function create(limits: Partial<Limits>, inner = new MemoryDatastore()) {
  const clock = { now: 0 }
  const datastore = new DhtDatastore(
    { limits: { ...defaultLimits, ...limits } },
    { inner, namespaces: namespacesOf('lan'), now: () => clock.now },
  )
  return { inner, datastore, clock }
}

function leave(datastore: DhtDatastore, from: string, name: string, bytes = 10, host = from): Promise<Key> {
  return asking.run({ peerId: from, host }, () => datastore.put(new Key(`/dht/record/${name}`), new Uint8Array(bytes)))
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
  for (const from of ['alice', 'bob', 'carol']) await leave(datastore, from, from, 25)
  await leave(datastore, 'dave', 'd', 20)
  await expect(leave(datastore, 'erin', 'e', 6)).rejects.toThrow(DhtQuotaReached)
  await leave(datastore, 'erin', 'e', 5)
})

test('maxDhtRecordsPerPeer and maxDhtBytesPerPeer: one peer leaves room for others', async () => {
  const { datastore } = create({ maxDhtRecordsPerPeer: 2, maxDhtBytesPerPeer: 100 })
  await leave(datastore, 'alice', 'a')
  await expect(leave(datastore, 'alice', 'b', 95)).rejects.toThrow(DhtQuotaReached)
  await leave(datastore, 'alice', 'b')
  await expect(leave(datastore, 'alice', 'c')).rejects.toThrow(DhtQuotaReached)
  await leave(datastore, 'bob', 'c', 95)
})

test('the peers of one address, however many, leave a quarter of the records free, and have one while another has any', async () => {
  const { datastore } = create({ maxDhtRecords: 16 })
  const flood = async (prefix: string) => {
    let kept = 0
    for (let index = 0; index < 20; index++) {
      const from = `${prefix}${index}`
      await leave(datastore, from, from, 10, 'one address').then(
        () => kept++,
        (error: unknown) => expect(error).toBeInstanceOf(DhtQuotaReached),
      )
    }
    return kept
  }
  expect(await flood('id')).toBe(12)
  for (let index = 0; index < 4; index++) await leave(datastore, 'honest', `of-honest${index}`)
  for (let index = 0; index < 10; index++) await datastore.delete(new Key(`/dht/record/id${index}`))
  expect(await flood('new')).toBe(2)
  await leave(datastore, 'third', 'of-third')
})

test('the same by bytes', async () => {
  const { datastore } = create({ maxDhtBytes: 400 })
  await leave(datastore, 'honest', 'h', 10)
  await leave(datastore, 'id1', 'a', 60, 'one address')
  await expect(leave(datastore, 'id2', 'b', 41, 'one address')).rejects.toThrow(DhtQuotaReached)
  await leave(datastore, 'id2', 'b', 40, 'one address')
  await leave(datastore, 'third', 't', 100)
})

test('what this node itself puts is never refused', async () => {
  const { datastore } = create({ maxDhtRecords: 1 })
  for (const name of ['a', 'b', 'c']) await datastore.put(new Key(`/dht/record/${name}`), new Uint8Array(10))
  expect(await datastore.has(new Key('/dht/record/c'))).toBe(true)
})

test('what was left before a restart counts', async () => {
  const inner = new MemoryDatastore()
  const before = create({}, inner)
  await asking.run({ peerId: 'alice', host: 'alice' }, () =>
    before.datastore.put(new Key('/dht/provider/content/alice'), new Uint8Array(5)),
  )
  const { datastore } = create({ maxDhtRecordsPerPeer: 1 }, inner)
  await expect(leave(datastore, 'alice', 'a')).rejects.toThrow(DhtQuotaReached)
  await leave(datastore, 'bob', 'a')
})

test('values are removed two days after they came', async () => {
  const { datastore, clock, inner } = create({ maxDhtRecords: 2 })
  await leave(datastore, 'alice', 'a')
  clock.now = 47 * hour
  await leave(datastore, 'bob', 'b')
  clock.now = 49 * hour
  await leave(datastore, 'alice', 'c')
  expect([inner.has(new Key('/dht/record/a')), inner.has(new Key('/dht/record/b'))]).toEqual([false, true])
})
