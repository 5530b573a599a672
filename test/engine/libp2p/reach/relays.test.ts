import { RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../../src/engine/engine.ts'
import { type Libp2pEngineOptions, startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'
import { field, fieldsOf, sized, unsized } from '../../../fixtures/protobuf.ts'
import { stockNode } from '../../../fixtures/stock-node.ts'

const signal = AbortSignal.timeout(600_000)
const patience = { timeout: 30_000 }

/** All are on this host, and in a DHT that tells such addresses. */
const member = (options: Libp2pEngineOptions = {}) => startedLibp2pEngine({ dht: 'private', dialOwnHost: true, ...options })
const relay = (options: Libp2pEngineOptions = {}) => member({ relay: true, ...options })
const hidden = (options: Libp2pEngineOptions = {}) => member({ listen: ['/p2p-circuit'], ...options })

async function link(from: P2PEngine, to: P2PEngine): Promise<void> {
  const [address = ''] = await to.multiaddrs()
  await from.dial(address, { source: 'rest', signal })
}

const relaysOf = async (engine: P2PEngine) => (await engine.reachability()).relays.toSorted()
const idsOf = (...engines: P2PEngine[]) => engines.map(({ peerId }) => peerId).toSorted()
const linked = async (engine: P2PEngine) => (await engine.peers()).map(({ peerId }) => peerId)

const status = { ok: 100, noReservation: 204 }
const typeField = 1

/** A stock node that says that it relays. */
async function liar(onRequest: (request: 'reserve' | 'connect', end: () => void) => number) {
  const node = await stockNode()
  const [address = multiaddr()] = node.getMultiaddrs()
  let reservations = 0
  await node.handle(RELAY_V2_HOP_CODEC, (stream, connection) => {
    stream.addEventListener(
      'message',
      ({ data }) => {
        const request = fieldsOf(unsized(data.subarray())).get(typeField) === 0 ? 'reserve' : 'connect'
        if (request === 'reserve') reservations++
        const reservation = field(3, Buffer.concat([Buffer.of(8, 0), field(2, address.bytes)]))
        const answer = [Buffer.of(8, 2), request === 'reserve' ? reservation : Buffer.alloc(0)]
        const code = onRequest(request, () => connection.abort(new Error('the relay drops the link')))
        const number = code < 128 ? Buffer.of(code) : Buffer.of((code % 128) + 128, Math.floor(code / 128))
        stream.send(sized(Buffer.concat([...answer, Buffer.of(5 * 8), number])))
      },
      { once: true },
    )
  })
  return {
    peerId: node.peerId.toString(),
    address: address.toString(),
    get reservations() {
      return reservations
    },
  }
}

test('a hidden node takes a linked relay, finds another one in the DHT, and replaces one that goes within seconds', async () => {
  const [first, second, third] = await Promise.all([relay(), relay(), relay()])
  await link(second, first)
  await link(third, first)
  const node = await hidden()
  await link(node, first)
  await expect.poll(async () => (await relaysOf(node)).length, patience).toBe(2)
  const relays = await relaysOf(node)
  expect(relays).toContain(first.peerId)
  const through = (await node.multiaddrs()).map((address) => /\/p2p\/([^/]+)\/p2p-circuit\/p2p\//.exec(address)?.[1])
  expect([...new Set(through)].toSorted()).toEqual(relays)
  await first.stop()
  await expect.poll(() => relaysOf(node), patience).toEqual(idsOf(second, third))
})

test('a node that can be dialled takes no relay, and announces none', async () => {
  const helper = await relay()
  const open = await member()
  await link(open, helper)
  await expect.poll(async () => (await open.reachability()).state, patience).toBe('direct')
  expect(await relaysOf(open)).toEqual([])
  expect((await open.multiaddrs()).filter((address) => address.includes('/p2p-circuit'))).toEqual([])
})

test('a private address that another peer told is not dialled to find a relay', async () => {
  const [first, second] = await Promise.all([relay(), relay()])
  await link(second, first)
  const node = await hidden({ dialOwnHost: false })
  await link(node, first)
  await expect.poll(() => relaysOf(node), patience).toEqual(idsOf(first))
  // The first relay tells of the second, and a search asks whom it is told of.
  const told = await second.multiaddrs()
  expect((await node.routing.findPeer(second.peerId, { signal })).multiaddrs.toSorted()).toEqual(told.toSorted())
  for await (const { peerId } of node.routing.closestPeers(Buffer.from('any'), { signal })) expect(peerId).toBe(first.peerId)
  for (const address of told) await expect(node.dial(address, { source: 'learnt', signal })).rejects.toThrow()
  expect(await relaysOf(node)).toEqual([first.peerId])
  expect(await linked(second)).toEqual([first.peerId])
})

test('a relay that accepts a reservation and carries no circuit is not used', async () => {
  const lying = await liar((request) => (request === 'reserve' ? status.ok : status.noReservation))
  const honest = await relay()
  const node = await hidden()
  await node.dial(lying.address, { source: 'rest', signal })
  await expect.poll(() => lying.reservations, patience).toBeGreaterThan(0)
  await link(node, honest)
  await expect.poll(() => relaysOf(node), patience).toEqual(idsOf(honest))
})

test('a relay that accepts a reservation and then ends the link is replaced, and its addresses are no longer announced', async () => {
  let drop = () => {}
  // It refuses to prove anything, as a relay with too many circuits does.
  const lying = await liar((request, end) => {
    drop = end
    return request === 'reserve' ? status.ok : 201
  })
  const node = await hidden()
  await node.dial(lying.address, { source: 'rest', signal })
  await expect.poll(() => relaysOf(node), patience).toEqual([lying.peerId])
  const honest = await relay()
  drop()
  await expect.poll(() => relaysOf(node), patience).toEqual([])
  expect(await node.multiaddrs()).toEqual([])
  await link(node, honest)
  await expect.poll(() => relaysOf(node), patience).toEqual(idsOf(honest))
})

test('two hidden nodes whose relay goes have a link through another one within seconds', async () => {
  const [first, second] = await Promise.all([relay(), relay()])
  const [one, other] = await Promise.all([hidden(), hidden()])
  for (const node of [one, other]) for (const each of [first, second]) await link(node, each)
  for (const node of [one, other]) await expect.poll(() => relaysOf(node), patience).toEqual(idsOf(first, second))
  const through = async (by: P2PEngine) => (await other.multiaddrs()).find((address) => address.includes(`${by.peerId}/p2p-circuit`)) ?? ''
  await one.dial(await through(first), { source: 'rest', signal })
  // Each has told the other its addresses, the changed ones a second after the change.
  const told = async () => (await one.peers()).find(({ peerId }) => peerId === other.peerId)?.multiaddrs ?? []
  await expect.poll(async () => (await told()).some((address) => address.includes(`${second.peerId}/p2p-circuit`)), patience).toBe(true)
  await first.stop()
  const via = async () => (await one.peers()).find(({ peerId }) => peerId === other.peerId)?.path.via
  await expect.poll(via, patience).toBe(second.peerId)
})
