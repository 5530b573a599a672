import { expect, test } from 'vitest'
import type { Peer } from '../../../src/model/peer.ts'
import type { EngineName } from '../../fixtures/gateway-process.ts'
import { getInside } from '../../fixtures/inside.ts'
import { canRoute, createRoutedNetwork, type RoutedNetwork } from '../../fixtures/routed-network.ts'
import { directPath, paths, startPair, startReaders, startRelay } from '../../fixtures/routed-pair.ts'

/** What happens to routers and relays while gateways exchange messages over them: each message arrives once. */

const reason = 'network namespaces and nft are needed'
const timeout = 300_000
const patience = { timeout: 120_000, interval: 200 }

const changes: [string, (network: RoutedNetwork) => Promise<void>][] = [
  ['a router starts anew', (network) => network.restart(0)],
  ['a router gets another public address', (network) => network.move(0)],
]

test.for((['custom', 'libp2p'] as const).flatMap((engine) => changes.map(([what, change]) => ({ engine, what, change }))))(
  '$engine: when $what, messages go on, and the link becomes direct again (needs network namespaces)',
  { timeout },
  async ({ engine, change }, { skip }) => {
    skip(!(await canRoute()), reason)
    const network = await createRoutedNetwork(['port-restricted', 'port-restricted'])
    const pair = await startPair(engine, network, [await startRelay(engine, network)])
    const direct = [directPath[engine], directPath[engine]]
    await expect.poll(() => paths(pair), patience).toEqual(direct)
    const readers = await startReaders(pair)
    await readers.publish()
    await change(network)
    for (let round = 0; round < 5; round++) await readers.publish()
    await readers.expectAll()
    await expect.poll(() => paths(pair), patience).toEqual(direct)
    await readers.publish()
    await readers.expectAll()
  },
)

test.for<EngineName>(['custom', 'libp2p'])(
  '%s: when the relay of a link is killed, messages go on through another (needs network namespaces)',
  {
    timeout,
  },
  async (engine, { skip }) => {
    skip(!(await canRoute()), reason)
    const network = await createRoutedNetwork(['symmetric', 'symmetric'])
    const relays = [await startRelay(engine, network), await startRelay(engine, network, { port: 7081 })]
    const pair = await startPair(engine, network, relays)
    await expect.poll(() => paths(pair), patience).toEqual(['relay', 'relay'])
    const readers = await startReaders(pair)
    await readers.publish()
    const [{ under, url }, { peerId }] = pair
    const via = async () => (await getInside<Partial<Peer>>(under, `${url}/v1/peers/${peerId}`)).via
    const before = await via()
    const [used, other] = relays[0]?.peerId === before ? relays : relays.toReversed()
    expect(used?.peerId).toBe(before)
    await used?.end('SIGKILL')
    for (let round = 0; round < 5; round++) await readers.publish()
    await readers.expectAll()
    await expect.poll(via, patience).toBe(other?.peerId)
  },
)
