import { expect, test } from 'vitest'
import type { NodeView } from '../../../src/model/node.ts'
import type { Peer } from '../../../src/model/peer.ts'
import { gatewayForTest } from '../../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../../fixtures/gateway-process.ts'
import { getInside, inside } from '../../fixtures/inside.ts'
import type { NatKind } from '../../fixtures/nat-kinds.ts'
import { canRoute, createRoutedNetwork, publicAddress, type RoutedNetwork } from '../../fixtures/routed-network.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'

/** Two gateways behind routers, on libp2p, and a relay in the public network. */

const topic = 'through the routers'
const reason = 'network namespaces and nft are needed'
const timeout = 240_000

interface Place {
  url: string
  peerId: string
  under: string[]
}

async function start(under: string[] = [], env: Record<string, string>): Promise<Place> {
  const { url, peerId } = await gatewayForTest({ ...quietEnvironment(await temporaryDirectory(), 'libp2p'), ...env }, under)
  return { url, peerId, under }
}

/** Starts the relay and both gateways. The second one has a link to the first, through the relay. */
async function startBehind({ outside, hosts }: RoutedNetwork): Promise<[target: Place, opener: Place]> {
  const place = `/ip4/${publicAddress}/tcp/7071`
  const relay = await start(outside, { PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071', PEERGATE_ANNOUNCE: place, PEERGATE_RELAY: 'true' })
  const hidden = { PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071,/p2p-circuit' }
  const toRelay = `${place}/p2p/${relay.peerId}`
  const target = await start(hosts[0], { ...hidden, PEERGATE_BOOTSTRAP: toRelay })
  const relays = async () => (await getInside<NodeView>(target.under, `${target.url}/v1/node`)).reachability.relays
  await expect.poll(relays, { timeout: 60_000 }).toEqual([relay.peerId])
  const through = `${toRelay}/p2p-circuit/p2p/${target.peerId}`
  return [target, await start(hosts[1], { ...hidden, PEERGATE_BOOTSTRAP: `${toRelay},${through}` })]
}

/** How each of the two reaches the other. */
async function paths([one, other]: [Place, Place]): Promise<unknown[]> {
  const path = async ({ under, url }: Place, { peerId }: Place) => (await getInside<Partial<Peer>>(under, `${url}/v1/peers/${peerId}`)).path
  return [await path(one, other), await path(other, one)]
}

/** Clients of both gateways that publish messages to the topic of the other's reader, a hundred at a time. */
async function startReaders(places: [Place, Place]) {
  const readers = places.map(({ under, url }) => inside(under, 'receive', url, topic, '1000000'))
  for (const { lines } of readers) await expect.poll(() => lines[0], { timeout: 30_000 }).toBe('subscribed')
  let rounds = 0
  return {
    received: () => readers.map(({ lines }) => lines.slice(1)),
    async publish(): Promise<void> {
      rounds++
      const writers = places.map(({ under, url }) => inside(under, 'publish', url, topic, '100'))
      for (const { ended } of writers) expect(await ended).toEqual({ code: 0, output: 'done' })
    },
    /** Each message of each round has arrived once. */
    async expectAll(): Promise<void> {
      const all = Array.from({ length: 100 * rounds }, (_, index) => `${Math.floor(index / rounds)}`)
      const sorted = () => readers.map(({ lines }) => lines.slice(1).toSorted((one, other) => Number(one) - Number(other)))
      await expect.poll(sorted, { timeout: 60_000 }).toEqual([all, all])
    },
  }
}

test.for<[NatKind, NatKind]>([
  ['port-restricted', 'port-restricted'],
  ['full-cone', 'address-restricted'],
  ['none', 'double'],
])('behind %s and %s routers a relayed link becomes direct (needs network namespaces)', { timeout }, async (kinds, { skip }) => {
  skip(!(await canRoute()), reason)
  const places = await startBehind(await createRoutedNetwork(kinds))
  await expect.poll(() => paths(places), { timeout: 60_000, interval: 500 }).toEqual(['tcp', 'tcp'])
})

test('behind symmetric routers the link stays on the relay, and messages go on (needs network namespaces)', { timeout }, async ({
  skip,
}) => {
  skip(!(await canRoute()), reason)
  const places = await startBehind(await createRoutedNetwork(['symmetric', 'symmetric']))
  await expect.poll(() => paths(places), { timeout: 60_000, interval: 500 }).toEqual(['relay', 'relay'])
  const readers = await startReaders(places)
  for (let round = 0; round < 10; round++) await readers.publish()
  await readers.expectAll()
  expect(await paths(places)).toEqual(['relay', 'relay'])
})

test('1,000 of 1,000 messages arrive once each way while the link becomes direct (needs network namespaces)', {
  timeout,
}, async ({ skip }) => {
  skip(!(await canRoute()), reason)
  const network = await createRoutedNetwork(['port-restricted', 'port-restricted'])
  await network.part(0, 1)
  const places = await startBehind(network)
  await expect.poll(() => paths(places), { timeout: 60_000, interval: 500 }).toEqual(['relay', 'relay'])
  const readers = await startReaders(places)
  await readers.publish()
  await network.mend(0)
  for (let round = 1; round < 10 || (await paths(places)).includes('relay'); round++) await readers.publish()
  await readers.expectAll()
})
