import { expect, test } from 'vitest'
import type { Peer } from '../../../src/model/peer.ts'
import type { EngineName } from '../../fixtures/gateway-process.ts'
import { getInside } from '../../fixtures/inside.ts'
import { canRoute, createRoutedNetwork, type RoutedNetwork } from '../../fixtures/routed-network.ts'
import { directPath, paths, startPair, startReaders, startRelay } from '../../fixtures/routed-pair.ts'

/**
 * What happens to routers and relays while gateways exchange messages over them: each message arrives once. With
 * `PEERGATE_NAT=all` there are 10,000.
 */

/** Of a hundred messages of each gateway. */
const rounds = process.env['PEERGATE_NAT'] === 'all' ? 50 : 7
const reason = 'network namespaces and nft are needed'
const timeout = 600_000
const patience = { timeout: 120_000, interval: 200 }

/** The change happens while the messages of a round are on their way. */
async function publishDuring(readers: Awaited<ReturnType<typeof startReaders>>, change: () => Promise<void>): Promise<void> {
  await readers.publish()
  await Promise.all([readers.publish(), change()])
  for (let round = 2; round < rounds; round++) await readers.publish()
  await readers.expectAll()
}

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
    await publishDuring(readers, () => change(network))
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
    const [{ under, url }, { peerId }] = pair
    const via = async () => (await getInside<Partial<Peer>>(under, `${url}/v1/peers/${peerId}`)).via
    const before = await via()
    const [used, other] = relays[0]?.peerId === before ? relays : relays.toReversed()
    expect(used?.peerId).toBe(before)
    await publishDuring(readers, async () => void (await used?.end('SIGKILL')))
    await expect.poll(via, patience).toBe(other?.peerId)
  },
)
