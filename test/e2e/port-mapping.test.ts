import { expect, test } from 'vitest'
import type { NodeView } from '../../src/model/node.ts'
import { addFirewalledIpv6, ipv6 } from '../fixtures/firewalled-ipv6.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside } from '../fixtures/inside.ts'
import { forwardedPorts, hasMiniupnpd, lostRequests, type MiniupnpdOptions, openPorts, startMiniupnpd } from '../fixtures/miniupnpd.ts'
import { canRoute, createRoutedNetwork, publicAddress } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const listen = '/ip4/0.0.0.0/tcp/7071,/ip4/0.0.0.0/udp/7071/quic-v1'
const patience = { timeout: 60_000, interval: 500 }

async function start(under: string[], env: Record<string, string>): Promise<GatewayProcess> {
  return await gatewayForTest({ ...quietEnvironment(await temporaryDirectory(), 'libp2p'), PEERGATE_LISTEN: listen, ...env }, under)
}

async function canTest(): Promise<boolean> {
  return (await canRoute()) && (await hasMiniupnpd())
}

test.for<[string, MiniupnpdOptions]>([
  ['PCP', { natPmp: true, loses: 0 }],
  ['NAT-PMP', { natPmp: true, loses: 2 }],
  ['UPnP', { upnp: true }],
  ['UPnP, version 1', { upnp: true, isVersion1: true }],
])(
  'a gateway behind a router that forwards ports by %s is reached from outside, and takes the ports back (needs namespaces and miniupnpd)',
  {
    timeout: 180_000,
  },
  async ([, options], { skip }) => {
    skip(!(await canTest()), 'network namespaces, nft and miniupnpd are needed')
    const { outside, hosts, routers } = await createRoutedNetwork(['port-restricted'])
    const [[host = [], router = []] = []] = hosts.map((each, index) => [each, routers[index] ?? []])
    await startMiniupnpd(router, options)
    const peer = await start(outside, {})
    const bootstrap = `/ip4/${publicAddress}/tcp/7071/p2p/${peer.peerId}`
    const hidden = await start(host, { PEERGATE_PORT_MAPPING: 'true', PEERGATE_BOOTSTRAP: bootstrap })
    const node = () => getInside<NodeView>(host, `${hidden.url}/v1/node`)
    const [tcp, quic] = ['/ip4/11.0.0.11/tcp/7071', '/ip4/11.0.0.11/udp/7071/quic-v1']
    await expect
      .poll(async () => (await node()).multiaddrs, patience)
      .toEqual(expect.arrayContaining([`${tcp}/p2p/${hidden.peerId}`, `${quic}/p2p/${hidden.peerId}`]))
    expect(await forwardedPorts(router)).toEqual(['tcp 7071 -> 192.168.1.2:7071', 'udp 7071 -> 192.168.1.2:7071'])
    await expect.poll(async () => (await node()).reachability, patience).toMatchObject({ state: 'direct', observed: ['11.0.0.11'] })
    expect((await node()).reachability.confirmed).toEqual(expect.arrayContaining([{ multiaddr: tcp, peers: 1 }]))
    // So the ports were forwarded by the version that is not lost.
    if (options.loses !== undefined) expect(await lostRequests(router)).toBeGreaterThan(0)
    await hidden.end('SIGTERM')
    expect(await forwardedPorts(router)).toEqual([])
  },
)

test('a gateway on a public IPv6 address behind a firewall that speaks PCP is reached from outside, and has its ports closed again (needs namespaces and miniupnpd)', {
  timeout: 180_000,
}, async ({ skip }) => {
  skip(!(await canTest()), 'network namespaces, nft and miniupnpd are needed')
  const { outside, hosts, routers } = await createRoutedNetwork(['port-restricted'])
  const [[host = [], router = []] = []] = hosts.map((each, index) => [each, routers[index] ?? []])
  await addFirewalledIpv6({ outside, router, host })
  await startMiniupnpd(router, { natPmp: true })
  const peer = await start(outside, { PEERGATE_LISTEN: '/ip6/::/tcp/7071' })
  const hidden = await start(host, {
    PEERGATE_LISTEN: '/ip6/::/tcp/7071,/ip6/::/udp/7071/quic-v1',
    PEERGATE_PORT_MAPPING: 'true',
    PEERGATE_BOOTSTRAP: `/ip6/${ipv6.outside}/tcp/7071/p2p/${peer.peerId}`,
  })
  const node = () => getInside<NodeView>(host, `${hidden.url}/v1/node`)
  await expect.poll(() => openPorts(router), patience).toEqual([`tcp [${ipv6.host}]:7071`, `udp [${ipv6.host}]:7071`])
  await expect.poll(async () => (await node()).reachability, patience).toMatchObject({ state: 'direct' })
  expect((await node()).reachability.confirmed).toContainEqual({ multiaddr: `/ip6/${ipv6.host}/tcp/7071`, peers: 1 })
  await hidden.end('SIGTERM')
  expect(await openPorts(router)).toEqual([])
})
