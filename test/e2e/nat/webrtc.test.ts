import { expect, test } from 'vitest'
import type { NodeView } from '../../../src/model/node.ts'
import { gatewayForTest } from '../../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../../fixtures/gateway-process.ts'
import { getInside } from '../../fixtures/inside.ts'
import { canRoute, createRoutedNetwork, publicAddress, type RoutedNetwork } from '../../fixtures/routed-network.ts'
import { type Pair, type Place, paths, startReaders } from '../../fixtures/routed-pair.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'

/** Two gateways behind routers that let no TCP through, and a relay that is their STUN server, too. */

type Engine = 'libp2p' | 'custom'

async function start(engine: Engine, under: string[] = [], env: Record<string, string>): Promise<Place> {
  // A path that has gone silent is noticed sooner than by default.
  const common = { PEERGATE_STUN_PORT: '3478', PEERGATE_SILENT_LINK_MS: '5000' }
  const { url, peerId } = await gatewayForTest({ ...quietEnvironment(await temporaryDirectory(), engine), ...common, ...env }, under)
  return { url, peerId, under }
}

interface Way {
  engine: Engine
  /** The port of each gateway, which the others dial. */
  port: string
  /** Another port of each, which nobody is told to dial. */
  beside?: string
  /** WebRTC is on only where it is to be the way: where both are, the first that is there is kept. */
  path: 'webrtc' | 'quic'
}

const ways: Way[] = [
  { engine: 'libp2p', port: 'tcp/7071', path: 'webrtc' },
  { engine: 'custom', port: 'tcp/7071/ws', path: 'webrtc' },
  { engine: 'libp2p', port: 'udp/7071/quic-v1', path: 'quic' },
  { engine: 'libp2p', port: 'tcp/7071', beside: 'udp/7071/quic-v1', path: 'quic' },
]

async function startBehind({ engine, port, beside, path }: Way, { outside, hosts }: RoutedNetwork): Promise<Pair> {
  const at = (host: string) => [port, beside].flatMap((one) => (one === undefined ? [] : `/ip4/${host}/${one}`))
  const hidden = { PEERGATE_LISTEN: at('0.0.0.0').join(), PEERGATE_WEBRTC: `${path === 'webrtc'}` }
  const relay = await start(engine, outside, { ...hidden, PEERGATE_ANNOUNCE: at(publicAddress).join(), PEERGATE_RELAY: 'true' })
  const toRelay = `/ip4/${publicAddress}/${port}/p2p/${relay.peerId}`
  const target = await start(engine, hosts[0], { ...hidden, PEERGATE_BOOTSTRAP: toRelay })
  const relays = async () => (await getInside<NodeView>(target.under, `${target.url}/v1/node`)).reachability.relays
  await expect.poll(relays, { timeout: 60_000 }).toEqual([relay.peerId])
  const through = `${toRelay}/p2p-circuit/p2p/${target.peerId}`
  return [target, await start(engine, hosts[1], { ...hidden, PEERGATE_BOOTSTRAP: `${toRelay},${through}` })]
}

test.for(ways)(
  '$engine on $port (and $beside): behind port-restricted routers that let no TCP through, 1,000 of 1,000 messages arrive each way while a relayed link gives way to $path, and when that way ends (needs network namespaces)',
  {
    timeout: 240_000,
  },
  async (way, { skip }) => {
    skip(!(await canRoute()), 'network namespaces and nft are needed')
    const network = await createRoutedNetwork(['port-restricted', 'port-restricted'])
    await network.part(0, 1, 'tcp')
    await network.part(1, 0, 'tcp')
    const places = await startBehind(way, network)
    const readers = await startReaders(places)
    let rounds = 0
    async function publish(): Promise<void> {
      rounds++
      await readers.publish()
    }
    while (rounds < 5 || (await paths(places)).includes('relay')) await publish()
    await expect.poll(() => paths(places), { timeout: 60_000, interval: 500 }).toEqual([way.path, way.path])
    while (rounds < 10) await publish()
    // The way over UDP ends, and the relay is used again.
    await network.part(0, 1)
    await network.part(1, 0)
    await expect.poll(() => paths(places), { timeout: 90_000, interval: 500 }).toEqual(['relay', 'relay'])
    await publish()
    await readers.expectAll()
  },
)
