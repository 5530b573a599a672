import { expect, test } from 'vitest'
import type { Peer } from '../../src/model/peer.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside, inside } from '../fixtures/inside.ts'
import { canRoute, createRoutedNetwork, publicAddressOf } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/* Both dial from the port that they listen on, and packets take so long that the two dials become one connection. */
test('with libp2p two gateways that dial each other at the same moment get one path, and neither dial fails (needs network namespaces)', async ({
  skip,
}) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const { hosts } = await createRoutedNetwork(['full-cone', 'full-cone'], { delayMs: 250 })
  const both = await Promise.all(
    hosts.map(async (under, number) => {
      const env = { ...quietEnvironment(await temporaryDirectory(), 'libp2p'), PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071,/p2p-circuit' }
      const { url, peerId } = await gatewayForTest(env, under)
      return { under, url, peerId, multiaddr: `/ip4/${publicAddressOf(number)}/tcp/7071/p2p/${peerId}` }
    }),
  )
  const [one, other] = both
  if (one === undefined || other === undefined) throw new Error('there are two hosts')
  const dial = async (from: typeof one, to: typeof one) =>
    JSON.parse((await inside(from.under, 'post', `${from.url}/v1/peers`, JSON.stringify({ multiaddr: to.multiaddr })).ended).output)
  const answers = await Promise.all([dial(one, other), dial(other, one)])
  expect(answers).toMatchObject([{ status: 201 }, { status: 201 }])
  const path = async (from: typeof one, to: typeof one) =>
    (await getInside<Partial<Peer>>(from.under, `${from.url}/v1/peers/${to.peerId}`)).path
  await expect.poll(() => Promise.all([path(one, other), path(other, one)])).toEqual(['tcp', 'tcp'])
  const reader = inside(other.under, 'receive', other.url, 'crossed', '20')
  await expect.poll(() => reader.lines).toContain('subscribed')
  expect(await inside(one.under, 'publish', one.url, 'crossed', '20').ended).toEqual({ code: 0, output: 'done' })
  const received = (await reader.ended).output.split('\n').slice(1).map(Number)
  expect(received.toSorted((first, second) => first - second)).toEqual(Array.from({ length: 20 }, (_, number) => number))
})
