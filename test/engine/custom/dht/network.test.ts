import { createHash, randomBytes } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { describe, expect, test } from 'vitest'
import { placeOf, placeOfPeer } from '../../../../src/engine/key-space.ts'
import { RecordNotFound } from '../../../../src/errors.ts'
import { immutableKey } from '../../../../src/model/dht-record.ts'
import { colluding } from '../../../fixtures/dht-attack.ts'
import { lookUps, pick, putAndGet, share } from '../../../fixtures/dht-measure.ts'
import { createDhtSimulation, type DhtSimulation, growDht, type SimulatedDhtNode } from '../../../fixtures/dht-simulation.ts'

const signal = new AbortController().signal
const hour = 3_600_000

function cidOf(text: string): string {
  return CID.createV1(raw.code, create(0x12, createHash('sha256').update(text).digest())).toString()
}

async function providersOf(simulation: DhtSimulation, node: SimulatedDhtNode, cid: string): Promise<string[]> {
  const found: string[] = []
  await simulation.complete(
    (async () => {
      for await (const { peerId } of node.node.findProviders(cid, { signal })) found.push(peerId)
    })(),
  )
  return found
}

describe.each([100, 300])('a network of %i nodes', (size) => {
  test('finds whom it looks for in few hops, also when 30 % of the nodes die at once', { timeout: 240_000 }, async () => {
    const simulation = createDhtSimulation({ seed: 7 })
    await growDht(simulation, { nodes: size })
    const healthy = await lookUps(simulation, 100)
    expect(healthy.success).toBeGreaterThanOrEqual(0.99)
    expect(healthy.hops).toBeLessThanOrEqual(0.5 * Math.log2(size) + 1)
    for (const node of simulation.nodes.slice(1)) if (simulation.random.chance(0.3)) node.alive = false
    expect((await lookUps(simulation, 100)).success).toBeGreaterThanOrEqual(0.99)
  })

  test('finds values and peers when a fifth of the nodes answers with each other only', { timeout: 240_000 }, async () => {
    const simulation = createDhtSimulation({ seed: 7 })
    await growDht(simulation, { nodes: size, behaviourOf: (index) => (index % 5 === 4 ? colluding : undefined) })
    expect(await share(100, () => putAndGet(simulation))).toBeGreaterThanOrEqual(0.99)
    expect((await lookUps(simulation, 100)).success).toBeGreaterThanOrEqual(0.99)
  })
})

test('a value is found after its author has left, and all that kept it have been replaced, until it expires', {
  timeout: 240_000,
}, async () => {
  const simulation = createDhtSimulation({ seed: 7, tickMs: 60_000, limits: { valueMs: 12 * hour, refreshMs: 2 * hour } })
  await growDht(simulation, { nodes: 60 })
  const value = randomBytes(100)
  const key = immutableKey(value)
  const author = pick(simulation)
  await simulation.complete(author.node.put(key, value, { signal }))
  author.alive = false
  const first = new Set(simulation.nodes)
  const get = () => simulation.complete(pick(simulation).node.get(key, { signal }))
  for (let elapsed = 0; elapsed < 10; elapsed++) {
    for (const node of [...first].slice(elapsed * 6, elapsed * 6 + 6)) node.alive = false
    for (let count = 0; count < 6; count++) await simulation.addNode(pick(simulation))
    await simulation.run(hour)
    expect(Buffer.compare(await get(), value)).toBe(0)
  }
  expect([...first].filter(({ alive }) => alive)).toEqual([])
  await simulation.run(3 * hour)
  await expect(get()).rejects.toBeInstanceOf(RecordNotFound)
})

test('what is provided is found by all, again after a day, and no more when its provider is gone for so long', {
  timeout: 240_000,
}, async () => {
  const simulation = createDhtSimulation({ seed: 7, tickMs: 300_000, limits: { refreshMs: 6 * hour } })
  await growDht(simulation, { nodes: 40 })
  const provider = pick(simulation)
  await simulation.complete(provider.node.provide(cidOf('a thing'), { signal }))
  for (const node of simulation.nodes) {
    expect(await providersOf(simulation, node, cidOf('a thing'))).toEqual(node === provider ? [] : [provider.peerId])
  }
  await simulation.run(30 * hour)
  const other = simulation.nodes.find((node) => node !== provider)
  if (other === undefined) throw new Error('nobody')
  expect(await providersOf(simulation, other, cidOf('a thing'))).toEqual([provider.peerId])
  provider.alive = false
  await simulation.run(25 * hour)
  expect(await providersOf(simulation, other, cidOf('a thing'))).toEqual([])
})

test('subscribers of a topic find each other', async () => {
  const simulation = createDhtSimulation({ seed: 7 })
  const [first, second, third] = await growDht(simulation, { nodes: 30 })
  const meet = async (node: SimulatedDhtNode | undefined) =>
    (await simulation.complete(node?.node.meet('orders', { signal }) ?? Promise.resolve([]))).map(({ peerId }) => peerId)
  expect(await meet(first)).toEqual([])
  expect(await meet(second)).toEqual([first?.peerId])
  expect((await meet(third)).toSorted()).toEqual([first?.peerId, second?.peerId].toSorted())
})

test('a node is found by its id, also one that is in no table', async () => {
  const simulation = createDhtSimulation({ seed: 7 })
  await growDht(simulation, { nodes: 50 })
  const [target, seeker] = [simulation.nodes[20], simulation.nodes[40]]
  if (target === undefined || seeker === undefined) throw new Error('nobody')
  for (const { node } of simulation.nodes) node.table.remove(target.peerId)
  const found = await simulation.complete(seeker.node.findPeer(target.peerId, { signal }))
  expect(found.multiaddrs).toEqual(target.contact.multiaddrs)
})

test('a peer with many identities near a key does not hide it', { timeout: 240_000 }, async () => {
  const simulation = createDhtSimulation({ seed: 7 })
  await growDht(simulation, { nodes: 100 })
  const value = randomBytes(100)
  const key = immutableKey(value)
  await simulation.complete(pick(simulation).node.put(key, value, { signal }))
  // Of many identities the ones that came closest to the key.
  const place = placeOf(Buffer.from(key))
  const eclipsing: SimulatedDhtNode[] = []
  while (eclipsing.length < 10) {
    const node = await simulation.addNode(pick(simulation), colluding)
    if (placeOfPeer(node.peerId)[0] === place[0]) eclipsing.push(node)
    else node.alive = false
  }
  for (const node of eclipsing) for (const other of simulation.nodes.slice(0, 100)) other.node.connected(node.contact)
  expect(
    await share(50, () =>
      simulation.complete(pick(simulation).node.get(key, { signal })).then(
        () => true,
        () => false,
      ),
    ),
  ).toBeGreaterThanOrEqual(0.99)
})
