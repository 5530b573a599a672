import { expect, test } from 'vitest'
import type { NodeView } from '../../src/model/node.ts'
import { addFirewalledIpv6, ipv6 } from '../fixtures/firewalled-ipv6.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside } from '../fixtures/inside.ts'
import {
  cannotClose,
  forwardedPorts,
  hasMiniupnpd,
  heardVersions,
  type MiniupnpdOptions,
  openPorts,
  startMiniupnpd,
} from '../fixtures/miniupnpd.ts'
import { canRoute, createRoutedNetwork, publicAddress } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

type EngineName = 'custom' | 'libp2p'

/** The end of the addresses of each engine that are dialled back here, after IP address and transport. */
const ends: Record<EngineName, string[]> = { custom: ['/tcp/7071/ws'], libp2p: ['/tcp/7071', '/udp/7071/quic-v1'] }
const patience = { timeout: 60_000, interval: 500 }

function at(engine: EngineName, host: string): string[] {
  return ends[engine].map((end) => `${host}${end}`)
}

async function start(engine: EngineName, under: string[], env: Record<string, string>): Promise<GatewayProcess> {
  const listen = at(engine, '/ip4/0.0.0.0').join()
  return await gatewayForTest({ ...quietEnvironment(await temporaryDirectory(), engine), PEERGATE_LISTEN: listen, ...env }, under)
}

async function canTest(): Promise<boolean> {
  return (await canRoute()) && (await hasMiniupnpd())
}

test.for<[EngineName, string, MiniupnpdOptions]>([
  ['libp2p', 'PCP', { natPmp: true, loses: 0 }],
  ['libp2p', 'NAT-PMP', { natPmp: true, loses: 2 }],
  ['libp2p', 'UPnP', { upnp: true }],
  ['libp2p', 'UPnP, version 1', { upnp: true, isVersion1: true }],
  ['custom', 'PCP', { natPmp: true, loses: 0 }],
  ['custom', 'UPnP', { upnp: true }],
])(
  '%s: a gateway behind a router that forwards ports by %s is reached from outside, and takes the ports back (needs namespaces and miniupnpd)',
  {
    timeout: 180_000,
  },
  async ([engine, , options], { skip }) => {
    skip(!(await canTest()), 'network namespaces, nft and miniupnpd are needed')
    const { outside, hosts, routers } = await createRoutedNetwork(['port-restricted'])
    const [[host = [], router = []] = []] = hosts.map((each, index) => [each, routers[index] ?? []])
    await startMiniupnpd(router, options)
    const peer = await start(engine, outside, {})
    const [first = ''] = at(engine, `/ip4/${publicAddress}`)
    const bootstrap = `${first}/p2p/${peer.peerId}`
    const hidden = await start(engine, host, { PEERGATE_PORT_MAPPING: 'true', PEERGATE_BOOTSTRAP: bootstrap })
    const node = () => getInside<NodeView>(host, `${hidden.url}/v1/node`)
    const external = at(engine, '/ip4/11.0.0.11')
    await expect
      .poll(async () => (await node()).multiaddrs, patience)
      .toEqual(expect.arrayContaining(external.map((address) => `${address}/p2p/${hidden.peerId}`)))
    const forwarded = { custom: ['tcp'], libp2p: ['tcp', 'udp'] }[engine].map((transport) => `${transport} 7071 -> 192.168.1.2:7071`)
    expect(await forwardedPorts(router)).toEqual(forwarded)
    await expect.poll(async () => (await node()).reachability, patience).toMatchObject({ state: 'direct', observed: ['11.0.0.11'] })
    await expect.poll(async () => (await node()).reachability.confirmed, patience).toContainEqual({ multiaddr: external[0], peers: 1 })
    // A gateway asks in both versions at once, and ends the search by NAT-PMP, maybe before its first request, when PCP is answered.
    if (options.loses !== undefined) expect(await heardVersions(router)).toEqual([2 - options.loses])
    await hidden.end('SIGTERM')
    // A busy daemon comes to the last request after the gateway has ended.
    await expect.poll(() => forwardedPorts(router), patience).toEqual([])
  },
)

test.for<[EngineName, string, MiniupnpdOptions]>([
  ['libp2p', 'PCP', { natPmp: true }],
  ['custom', 'PCP', { natPmp: true }],
  ['custom', 'UPnP', { upnp: true }],
])(
  '%s: a gateway on a public IPv6 address behind a firewall that speaks %s is reached from outside, and has its ports closed again (needs namespaces and miniupnpd)',
  {
    timeout: 180_000,
  },
  async ([engine, , options], { skip }) => {
    skip(!(await canTest()), 'network namespaces, nft and miniupnpd are needed')
    const { outside, hosts, routers } = await createRoutedNetwork(['port-restricted'])
    const [[host = [], router = []] = []] = hosts.map((each, index) => [each, routers[index] ?? []])
    await addFirewalledIpv6({ outside, router, host })
    const daemon = await startMiniupnpd(router, options)
    const [listenOutside = ''] = at(engine, '/ip6/::')
    const peer = await start(engine, outside, { PEERGATE_LISTEN: listenOutside })
    const [first = ''] = at(engine, `/ip6/${ipv6.outside}`)
    const hidden = await start(engine, host, {
      PEERGATE_LISTEN: at(engine, '/ip6/::').join(),
      PEERGATE_PORT_MAPPING: 'true',
      PEERGATE_BOOTSTRAP: `${first}/p2p/${peer.peerId}`,
    })
    const node = () => getInside<NodeView>(host, `${hidden.url}/v1/node`)
    const open = { custom: ['tcp'], libp2p: ['tcp', 'udp'] }[engine].map((transport) => `${transport} [${ipv6.host}]:7071`)
    await expect.poll(() => openPorts(router), patience).toEqual(open)
    await expect.poll(async () => (await node()).reachability, patience).toMatchObject({ state: 'direct' })
    const confirmed = { multiaddr: at(engine, `/ip6/${ipv6.host}`)[0], peers: 1 }
    await expect.poll(async () => (await node()).reachability.confirmed, patience).toContainEqual(confirmed)
    await hidden.end('SIGTERM')
    const left = async () => (await openPorts(router)).filter((port) => !cannotClose(daemon.lines).includes(port))
    await expect.poll(left, patience).toEqual([])
  },
)
