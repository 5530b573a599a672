import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { NodeView } from '../../src/model/node.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside } from '../fixtures/inside.ts'
import { runIn } from '../fixtures/namespaces.ts'
import { startProgram } from '../fixtures/program.ts'
import { canRoute, createRoutedNetwork, publicAddress } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const listen = '/ip4/0.0.0.0/tcp/7071'
const patience = { timeout: 60_000, interval: 500 }
const stock = fileURLToPath(new URL('../fixtures/stock-autonat.ts', import.meta.url))

async function start(under: string[], env: Record<string, string>): Promise<GatewayProcess> {
  return await gatewayForTest({ ...quietEnvironment(await temporaryDirectory(), 'libp2p'), PEERGATE_LISTEN: listen, ...env }, under)
}

const reachability = async (under: string[], { url }: GatewayProcess) => (await getInside<NodeView>(under, `${url}/v1/node`)).reachability

test('with libp2p a gateway behind a router is hidden, and direct where the router forwards its port (needs network namespaces)', {
  timeout: 180_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const { outside, hosts, routers } = await createRoutedNetwork(['port-restricted', 'port-restricted'])
  const [closed = [], open = []] = hosts
  await runIn(
    routers[1]?.at(-1) ?? '',
    'nft add chain ip router forwarded { type nat hook prerouting priority -100; }',
    'nft add rule ip router forwarded iifname wan tcp dport 7071 dnat to 192.168.2.2',
    'nft add rule ip router through ct status dnat accept',
  )
  const peer = await start(outside, {})
  const bootstrap = `/ip4/${publicAddress}/tcp/7071/p2p/${peer.peerId}`
  const [hidden, direct] = await Promise.all([closed, open].map((host) => start(host, { PEERGATE_BOOTSTRAP: bootstrap })))
  if (hidden === undefined || direct === undefined) throw new Error('there are two hosts')
  await expect.poll(() => reachability(closed, hidden), patience).toMatchObject({ state: 'hidden', confirmed: [], observed: ['11.0.0.11'] })
  const address = '/ip4/11.0.0.12/tcp/7071'
  await expect
    .poll(() => reachability(open, direct), patience)
    .toMatchObject({ state: 'direct', confirmed: [{ multiaddr: address, peers: 1 }], observed: ['11.0.0.12'] })
  const node = (under: string[], { url }: GatewayProcess) => getInside<NodeView>(under, `${url}/v1/node`)
  await expect.poll(async () => (await node(open, direct)).multiaddrs, patience).toContain(`${address}/p2p/${direct.peerId}`)
  await expect.poll(async () => (await node(open, direct)).capabilities.relay, patience).toBe(true)
  // The gateway on a public address has been told so by its peers, and announces it.
  await expect.poll(async () => (await node(outside, peer)).multiaddrs, patience).toContain(bootstrap)
})

test('a gateway and a stock js-libp2p node confirm the addresses of each other by AutoNAT v2 (needs network namespaces)', {
  timeout: 180_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const { outside } = await createRoutedNetwork([])
  // Each is seen at the first address, so each has the other send data before it dials the second.
  await runIn(outside.at(-1) ?? '', 'ip address add 12.0.0.1/24 dev bridge0')
  const gateway = await start(outside, { PEERGATE_LISTEN: '/ip4/11.0.0.1/tcp/7071,/ip4/12.0.0.1/tcp/7071', PEERGATE_DIAL: 'host' })
  const [command = '', ...under] = outside
  const peer = `/ip4/11.0.0.1/tcp/7071/p2p/${gateway.peerId}`
  const { lines } = startProgram(command, [...under, process.execPath, stock, '/ip4/12.0.0.1/tcp/7072', peer])
  await expect.poll(() => lines, patience).toContainEqual(expect.stringMatching('^/ip4/12.0.0.1/tcp/7072/p2p/'))
  await expect
    .poll(async () => (await reachability(outside, gateway)).confirmed, patience)
    .toEqual(['/ip4/11.0.0.1/tcp/7071', '/ip4/12.0.0.1/tcp/7071'].map((multiaddr) => ({ multiaddr, peers: 1 })))
})
