import { RELAY_V2_HOP_CODEC } from '@libp2p/circuit-relay-v2'
import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../../src/engine/engine.ts'
import { dialRequestProtocol } from '../../../../src/engine/libp2p/reach/autonat-messages.ts'
import { type Libp2pEngineOptions, startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'

const signal = AbortSignal.timeout(600_000)

async function link(from: P2PEngine, to: P2PEngine): Promise<void> {
  const [address = ''] = await to.multiaddrs()
  await from.dial(address, { source: 'rest', signal })
}

/** Dials back peers of this host, as all are here. */
const helpful = (options: Libp2pEngineOptions = {}) => startedLibp2pEngine({ dialOwnHost: true, ...options })

const stateOf = async (engine: P2PEngine) => (await engine.reachability()).state
const protocolsOf = async (engine: P2PEngine, peerId: string) =>
  (await engine.peers()).find((peer) => peer.peerId === peerId)?.protocols ?? []

test('a node that is dialled back is direct, over each of its transports, and knows by how many peers', async () => {
  const [first, second] = await Promise.all([helpful(), helpful()])
  const open = await startedLibp2pEngine()
  await link(open, first)
  await expect.poll(() => stateOf(open)).toBe('direct')
  await link(open, second)
  const own = (await open.multiaddrs()).map((address) => address.replace(/\/p2p\/.*/, ''))
  expect(own).toHaveLength(3)
  await expect.poll(async () => (await open.reachability()).confirmed.map(({ multiaddr }) => multiaddr).toSorted()).toEqual(own.toSorted())
  expect((await open.reachability()).confirmed).toEqual(own.map(() => expect.objectContaining({ peers: 1 })))
  expect((await open.reachability()).observed).toEqual(['127.0.0.1'])
  // The connections of the dial-backs are closed again.
  await expect.poll(async () => (await first.peers()).length).toBe(1)
})

test('a node whose address leads nowhere is hidden', async () => {
  const helper = await helpful()
  const closed = await startedLibp2pEngine({ announce: ['/ip4/127.0.0.1/tcp/1'] })
  await link(closed, helper)
  await expect.poll(() => stateOf(closed)).toBe('hidden')
  expect(await closed.reachability()).toMatchObject({ confirmed: [], relays: [] })
})

test('a peer that may not dial the address does not make a node hidden', async () => {
  const careful = await startedLibp2pEngine()
  const open = await startedLibp2pEngine()
  await link(open, careful)
  await expect.poll(() => protocolsOf(open, careful.peerId)).toContain(dialRequestProtocol)
  expect(await stateOf(open)).toBe('unknown')
})

test('a node that listens on no address of its own is hidden', async () => {
  expect(await stateOf(await startedLibp2pEngine({ listen: ['/p2p-circuit'] }))).toBe('hidden')
})

test('a node that is to relay when it is reachable becomes a relay once it was dialled back', async () => {
  const helper = await helpful()
  const relay = await startedLibp2pEngine({ relay: 'when-reachable' })
  expect(relay.capabilities.relay).toBe(false)
  await link(relay, helper)
  await expect.poll(() => relay.capabilities.relay).toBe(true)
  await expect.poll(() => protocolsOf(helper, relay.peerId)).toContain(RELAY_V2_HOP_CODEC)
  const hidden = await startedLibp2pEngine({ listen: ['/p2p-circuit'] })
  await link(hidden, relay)
  await expect.poll(async () => (await hidden.reachability()).relays, { timeout: 20_000 }).toEqual([relay.peerId])
})

test('a node that nobody has dialled back does not become a relay', async () => {
  const careful = await startedLibp2pEngine()
  const node = await startedLibp2pEngine({ relay: 'when-reachable' })
  await link(node, careful)
  await expect.poll(() => protocolsOf(careful, node.peerId)).not.toEqual([])
  expect(await protocolsOf(careful, node.peerId)).not.toContain(RELAY_V2_HOP_CODEC)
})
