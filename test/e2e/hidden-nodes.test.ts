import { expect, test } from 'vitest'
import type { NodeView } from '../../src/model/node.ts'
import type { Peer } from '../../src/model/peer.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside, inside } from '../fixtures/inside.ts'
import type { NatKind } from '../fixtures/nat-kinds.ts'
import { canRoute, createRoutedNetwork, publicAddress } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const topic = 'from behind the routers'
const numbers = (count: number) => Array.from({ length: count }, (_, number) => `${number}`)

interface Place {
  url: string
  peerId: string
  under: string[]
}

async function start(under: string[], env: Record<string, string>): Promise<GatewayProcess> {
  return await gatewayForTest({ ...quietEnvironment(await temporaryDirectory()), ...env }, under)
}

/** A relay in the public network, and two gateways that no packet from outside can reach. */
async function hiddenPair(kind: NatKind): Promise<[Place, Place]> {
  const { outside, hosts } = await createRoutedNetwork([kind, kind])
  const relay = await start(outside, { PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071/ws' })
  const bootstrap = `/ip4/${publicAddress}/tcp/7071/ws/p2p/${relay.peerId}`
  const hidden = await Promise.all(
    hosts.map((host) => start(host, { PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071/ws', PEERGATE_BOOTSTRAP: bootstrap })),
  )
  const [first, second] = hidden.map(({ url, peerId }, index) => ({ url, peerId, under: hosts[index] ?? [] }))
  if (first === undefined || second === undefined) throw new Error('there are two hosts')
  for (const { under, url } of [first, second]) {
    // As long as nobody has dialled back in vain.
    await expect
      .poll(async () => (await getInside<NodeView>(under, `${url}/v1/node`)).reachability, { timeout: 60_000, interval: 1_000 })
      .toMatchObject({
        state: 'hidden',
        relays: [relay.peerId],
      })
  }
  return [first, second]
}

/** Each publishes 1,000 messages while the other receives. */
async function exchange(places: Place[]): Promise<void> {
  const readers = places.map(({ under, url }) => inside(under, 'receive', url, topic, '1000'))
  for (const { lines } of readers) await expect.poll(() => lines[0]).toBe('subscribed')
  const writers = places.map(({ under, url }) => inside(under, 'publish', url, topic, '1000'))
  for (const { ended } of writers) expect(await ended).toEqual({ code: 0, output: 'done' })
  for (const { ended } of readers) {
    const { output } = await ended
    const received = output.split('\n').slice(1)
    // Each once. The first may come last: what is announced while the tree of the topic forms is fetched seconds later.
    expect(received.toSorted((one, other) => Number(one) - Number(other))).toEqual(numbers(1000))
  }
}

const peerOf = ({ under, url }: Place, { peerId }: Place) => getInside<Peer>(under, `${url}/v1/peers/${peerId}`)

test('two gateways behind routers that let nothing in get a direct link while they exchange 1,000 of 1,000 messages each way (needs network namespaces)', {
  timeout: 180_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const before = Date.now()
  const [first, second] = await hiddenPair('port-restricted')
  await exchange([first, second])
  const ends = [
    [first, second],
    [second, first],
  ] as const
  for (const [one, other] of ends) {
    await expect.poll(() => peerOf(one, other), { timeout: 60_000 }).toMatchObject({ state: 'connected', path: 'websocket', via: null })
  }
  const since = () => Promise.all(ends.map(async ([one, other]) => (await peerOf(one, other)).since ?? ''))
  const begun = await since()
  for (const time of begun) expect(Date.parse(time)).toBeGreaterThanOrEqual(before)
  await exchange([first, second])
  expect(await since()).toEqual(begun)
})

test('two gateways behind routers that map each destination anew exchange 1,000 of 1,000 messages each way through a relay (needs network namespaces)', {
  timeout: 180_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const [first, second] = await hiddenPair('symmetric')
  await exchange([first, second])
  await expect
    .poll(() => peerOf(first, second), { timeout: 60_000 })
    .toMatchObject({ state: 'connected', path: 'relay', via: expect.any(String) })
})
