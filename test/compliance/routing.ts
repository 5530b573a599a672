import { createHash, randomBytes } from 'node:crypto'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { create } from 'multiformats/hashes/digest'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { P2PEngine } from '../../src/engine/engine.ts'
import type { FoundPeer } from '../../src/engine/routing.ts'
import {
  DhtDisabled,
  DhtNamespaceUnsupported,
  DhtRefused,
  DhtUnavailable,
  InvalidCid,
  InvalidRecord,
  PeerNotFound,
  RecordNotFound,
  RecordOutdated,
} from '../../src/errors.ts'
import { immutableKey, maxRecordValueBytes, openOwnRecord, ownKey, sealOwnRecord } from '../../src/model/dht-record.ts'
import { peerIdBytes } from '../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../fixtures/memory-identity.ts'

/** What an engine has to provide for the routing tests. */
export interface RoutingUnderTest {
  /** Creates an engine that takes part in the DHT, with peers on this host, not started. */
  create(): Promise<P2PEngine>
  /** Creates one that takes no part in the DHT. */
  createWithout(): Promise<P2PEngine>
  /** Creates one that takes part but accepts no records of others, if the engine supports it. */
  createFull?(): Promise<P2PEngine>
}

/** It never fires: the time of the test is what bounds a wait, and a process that runs many files outlives any time from its start. */
const signal = new AbortController().signal
const options = { signal }

async function all(found: AsyncIterable<FoundPeer>): Promise<FoundPeer[]> {
  const peers: FoundPeer[] = []
  for await (const peer of found) peers.push(peer)
  return peers
}

function cidOf(text: string): string {
  return CID.createV1(raw.code, create(0x12, createHash('sha256').update(text).digest())).toString()
}

/** Tests each sentence of the Routing contract. */
export function testRouting({ create: createEngine, createWithout, createFull }: RoutingUnderTest): void {
  async function started(creating: Promise<P2PEngine> = createEngine()): Promise<P2PEngine> {
    const engine = await creating
    engine.receive({ onMessage: async () => 'accept' })
    onTestFinished(() => engine.stop())
    await engine.start()
    return engine
  }

  async function link(from: P2PEngine, to: P2PEngine): Promise<void> {
    const [address = ''] = await to.multiaddrs()
    await from.dial(address, { source: 'rest', signal })
  }

  /** Engines with one peer in common, so that each has a peer to ask. */
  async function network(count: number): Promise<[P2PEngine, P2PEngine, P2PEngine, ...P2PEngine[]]> {
    const [first, ...others] = await Promise.all(Array.from({ length: count }, () => started()))
    if (first === undefined) throw new Error('nobody')
    for (const engine of others) await link(engine, first)
    for (const engine of [first, ...others]) {
      await expect
        .poll(
          () =>
            all(engine.routing.closestPeers(randomBytes(8), options)).then(
              (peers) => peers.length,
              () => 0,
            ),
          { timeout: 20_000 },
        )
        .toBeGreaterThan(0)
    }
    const [second, third, ...rest] = others
    if (second === undefined || third === undefined) throw new Error('too few')
    return [first, second, third, ...rest]
  }

  describe('without a DHT, or nobody to ask,', () => {
    test('everything is refused as not available, and where there will never be one, for good', async () => {
      const without = await started(createWithout())
      const alone = await started()
      const stopped = await createEngine()
      const key = immutableKey(Buffer.from('x'))
      for (const { routing, peerId } of [without, alone, stopped]) {
        const [kind, retryable] = routing === without.routing ? [DhtDisabled, false] : [DhtUnavailable, true]
        const refused = async (work: Promise<unknown>) => {
          const error: unknown = await work.catch((reason: unknown) => reason)
          expect(error).toBeInstanceOf(kind)
          expect(error).toMatchObject({ retryable })
        }
        await refused(routing.findPeer((await createMemoryIdentity()).peerId, options))
        await refused(all(routing.closestPeers(Buffer.from(peerId), options)))
        await refused(all(routing.findProviders(cidOf('x'), options)))
        await refused(routing.provide(cidOf('x'), options))
        await refused(routing.get(key, options))
        await refused(routing.put(key, Buffer.from('x'), options))
        await refused(routing.putOwn('x', Buffer.from('x'), options))
      }
    })
  })

  describe('peers', () => {
    test('are found by their ids, with addresses that name them', async () => {
      const [, second, third] = await network(3)
      const found = await second.routing.findPeer(third.peerId, options)
      expect(found.peerId).toBe(third.peerId)
      const own = await third.multiaddrs()
      expect(found.multiaddrs.some((address) => own.includes(address))).toBe(true)
      for (const address of found.multiaddrs) expect(address).toMatch(new RegExp(`/p2p/${third.peerId}$`))
    })

    test('that are linked are answered without asking', async () => {
      const [first, second] = await network(3)
      expect(await second.routing.findPeer(first.peerId, options)).toMatchObject({ peerId: first.peerId })
    })

    test('that nobody knows are not found', async () => {
      const [, second] = await network(3)
      const { peerId } = await createMemoryIdentity()
      await expect(second.routing.findPeer(peerId, options)).rejects.toBeInstanceOf(PeerNotFound)
    })

    test('that are closest to a key come in that order, and never oneself', async () => {
      const [first, second, ...others] = await network(4)
      const key = randomBytes(16)
      const ids = (await all(second.routing.closestPeers(key, options))).map(({ peerId }) => peerId)
      expect(ids.toSorted()).toEqual([first, ...others].map(({ peerId }) => peerId).toSorted())
      expect(ids).toEqual(byDistance(key, ids))
    })
  })

  describe('providers', () => {
    test('are found by everybody, until they say no more that they provide', async () => {
      const [first, second, third] = await network(3)
      const cid = cidOf('something to have')
      expect(await all(third.routing.findProviders(cid, options))).toEqual([])
      await second.routing.provide(cid, options)
      for (const engine of [first, third]) {
        const found = await all(engine.routing.findProviders(cid, options))
        expect(found.map(({ peerId }) => peerId)).toEqual([second.peerId])
        expect(found[0]?.multiaddrs).toContain((await second.multiaddrs())[0])
      }
      await second.routing.stopProviding(cid)
      await second.routing.stopProviding(cid)
    })

    test('are named once each, by any spelling of the CID', async () => {
      const [first, second, third] = await network(3)
      const digest = create(0x12, createHash('sha256').update('two have it').digest())
      await first.routing.provide(CID.createV1(raw.code, digest).toString(), options)
      await second.routing.provide(CID.createV0(digest).toString(), options)
      const found = await all(third.routing.findProviders(CID.createV0(digest).toString(), options))
      expect(found.map(({ peerId }) => peerId).toSorted()).toEqual([first.peerId, second.peerId].toSorted())
    })

    test('are of a CID', async () => {
      const [first] = await network(3)
      await expect(first.routing.provide('nonsense', options)).rejects.toBeInstanceOf(InvalidCid)
      await expect(first.routing.stopProviding('nonsense')).rejects.toBeInstanceOf(InvalidCid)
      await expect(all(first.routing.findProviders('nonsense', options))).rejects.toBeInstanceOf(InvalidCid)
    })
  })

  describe.runIf(createFull !== undefined)('values that no peer takes', () => {
    test('are refused as that, and can be put again', async () => {
      const full = await started(createFull?.())
      const engine = await started()
      await link(engine, full)
      const known = async () => (await all(engine.routing.closestPeers(randomBytes(8), options)).catch(() => [])).length
      await expect.poll(known, { timeout: 20_000 }).toBeGreaterThan(0)
      const value = randomBytes(100)
      const { routing } = engine
      for (const put of [() => routing.put(immutableKey(value), value, options), () => routing.putOwn('name', value, options)]) {
        const error: unknown = await put().catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(DhtRefused)
        expect(error).toMatchObject({ retryable: true })
      }
    })
  })

  describe('values', () => {
    test('of their hash are found by everybody, also when who put them has gone', async () => {
      const [first, second, third] = await network(3)
      const value = randomBytes(1_000)
      const key = immutableKey(value)
      await expect(third.routing.get(key, options)).rejects.toBeInstanceOf(RecordNotFound)
      await second.routing.put(key, value, options)
      await second.stop()
      for (const engine of [first, third]) expect(Buffer.compare(await engine.routing.get(key, options), value)).toBe(0)
    })

    test('have any size up to the largest', async () => {
      const [first, second] = await network(3)
      for (const size of [0, 1, maxRecordValueBytes]) {
        const value = randomBytes(size)
        await first.routing.put(immutableKey(value), value, options)
        expect(Buffer.compare(await second.routing.get(immutableKey(value), options), value)).toBe(0)
      }
    })

    test('of an owner are signed by it, and the newest is found', async () => {
      const [first, second, third] = await network(3)
      const record = await second.routing.putOwn('profile', Buffer.from('first'), options)
      const key = ownKey(second.peerId, 'profile')
      expect(Buffer.compare(await third.routing.get(key, options), record)).toBe(0)
      const newer = await second.routing.putOwn('profile', Buffer.from('second'), options)
      for (const engine of [first, third]) {
        const found = await openOwnRecord({ owner: second.peerId, name: 'profile' }, await engine.routing.get(key, options))
        expect(Buffer.from(found.value).toString()).toBe('second')
      }
      await expect(third.routing.put(key, record, options)).rejects.toBeInstanceOf(RecordOutdated)
      await third.routing.put(key, newer, options)
    })

    test('of an owner can be put by others who have its signature', async () => {
      const [first, second] = await network(3)
      const owner = await createMemoryIdentity()
      const record = await sealOwnRecord({ name: 'n', sequence: 1n, issuedAt: 1, value: Buffer.from('v') }, owner.seed)
      await first.routing.put(ownKey(owner.peerId, 'n'), record, options)
      expect(Buffer.compare(await second.routing.get(ownKey(owner.peerId, 'n'), options), record)).toBe(0)
    })

    test('that do not prove their keys are refused and found nowhere', async () => {
      const [first, second, third] = await network(3)
      const key = immutableKey(Buffer.from('stored nowhere'))
      await expect(first.routing.put(key, Buffer.from('b'), options)).rejects.toBeInstanceOf(InvalidRecord)
      const own = ownKey(second.peerId, 'n')
      await expect(first.routing.put(own, randomBytes(100), options)).rejects.toBeInstanceOf(InvalidRecord)
      for (const tried of [key, own]) await expect(third.routing.get(tried, options)).rejects.toBeInstanceOf(RecordNotFound)
    })

    test('are of a namespace that the capabilities name', async () => {
      const [first] = await network(3)
      for (const [namespace, key] of [
        ['/peergate', ownKey(first.peerId, 'n')],
        ['/ipns', `/ipns/${first.peerId}`],
        ['/pk', `/pk/${first.peerId}`],
      ] as const) {
        const refusal = await first.routing.get(key, options).catch((error: unknown) => error)
        expect(refusal instanceof DhtNamespaceUnsupported).toBe(!first.capabilities.dhtNamespaces.includes(namespace))
      }
      await expect(first.routing.get('/unknown/x', options)).rejects.toBeInstanceOf(DhtNamespaceUnsupported)
      await expect(first.routing.put('/unknown/x', Buffer.from('x'), options)).rejects.toBeInstanceOf(DhtNamespaceUnsupported)
      await expect(first.routing.get('/peergate/imm/x', options)).rejects.toBeInstanceOf(InvalidRecord)
      await expect(first.routing.get('no key', options)).rejects.toBeInstanceOf(InvalidRecord)
    })
  })

  test('gives up when the signal fires', async () => {
    const [first] = await network(3)
    const reason = new Error('enough')
    const aborted = AbortSignal.abort(reason)
    await expect(first.routing.get(immutableKey(Buffer.from('x')), { signal: aborted })).rejects.toBe(reason)
    await expect(all(first.routing.findProviders(cidOf('x'), { signal: aborted }))).rejects.toBe(reason)
  })
}

/** Peer ids sorted by the distance of their hashes to the key's hash. */
function byDistance(key: Uint8Array, peerIds: string[]): string[] {
  const hash = (bytes: Uint8Array) => BigInt(`0x${createHash('sha256').update(bytes).digest('hex')}`)
  const distance = (peerId: string) => hash(peerIdBytes(peerId)) ^ hash(key)
  return peerIds.toSorted((a, b) => (distance(a) < distance(b) ? -1 : 1))
}
