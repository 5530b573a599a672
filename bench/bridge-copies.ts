import { setTimeout as sleep } from 'node:timers/promises'
import type { EngineName, GatewayProcess } from '../test/fixtures/gateway-process.ts'
import { createRest } from '../test/fixtures/rest.ts'
import { addressesOn, directions, startNode } from './bridge-nodes.ts'
import { type CountingRelay, startCountingRelay } from './counting-relay.ts'
import { joinGateways, untilSubscribed } from './gateway-ways.ts'
import { type Load, pass, type Way } from './passage.ts'

/** What the far gateway receives of its bridges for each message: copies, and bytes on its links with everything else. */
export interface Received {
  messages: number
  bytes: number
}

/** With one bridge, and with two. */
export type Copies = readonly [Received, Received]

/** A gateway of one network, whose links to bridges lead over relays. */
interface Leaf {
  readonly network: EngineName
  readonly gateway: GatewayProcess
  readonly relays: CountingRelay[]
}

/** Milliseconds without a copy after which none is on its way. */
const settleMs = 1_000

/** Messages before those that are counted: links and meshes are there. */
const warmUp = 100

/** Counts the copies of messages in each of the `directions`. */
export async function countCopies(calm: Required<Load>): Promise<Copies[]> {
  await using resources = new AsyncDisposableStack()
  const bridge = await startNode(resources, 'both')
  const leaves = { custom: await startLeaf(resources, 'custom', bridge), libp2p: await startLeaf(resources, 'libp2p', bridge) }
  const ways = await Array.fromAsync(directions, async ({ from, to }) => {
    const [near, far] = [leaves[from], leaves[to]]
    const topic = `copies-to-${to}`
    const processes = { near: near.gateway, far: far.gateway }
    const way = await joinGateways(resources, { label: topic, topic, processes, from: near.gateway, to: far.gateway })
    return { way, far, topic }
  })
  // A bridge joins a topic in one network once the other has a subscriber.
  const untilLinked = async (bridges: number) => {
    const gateways = Object.values(leaves).map(({ gateway }) => gateway)
    await Promise.all(ways.flatMap(({ topic }) => gateways.map(({ url }) => untilSubscribed(url, topic, bridges))))
  }
  await untilLinked(1)
  const one = await Array.fromAsync(ways, ({ way, far }) => count(way, far, calm))
  const other = await startNode(resources, 'both', bridge.multiaddrs)
  for (const leaf of Object.values(leaves)) {
    const answer = await createRest(leaf.gateway.url).call('POST', '/v1/peers', {
      multiaddr: await relayTo(resources, leaf.relays, leaf.network, other),
    })
    if (answer.status >= 300) throw new Error(`a gateway could not dial the second bridge: ${answer.status}`)
  }
  await untilLinked(2)
  const two = await Array.fromAsync(ways, ({ way, far }) => count(way, far, calm))
  return one.flatMap((received, index) => {
    const beside = two[index]
    return beside === undefined ? [] : [[received, beside] as const]
  })
}

async function startLeaf(resources: AsyncDisposableStack, network: EngineName, bridge: GatewayProcess): Promise<Leaf> {
  const relays: CountingRelay[] = []
  const address = await relayTo(resources, relays, network, bridge)
  return { network, gateway: await startNode(resources, network, [address]), relays }
}

/** The address of a new relay to a bridge. */
async function relayTo(
  resources: AsyncDisposableStack,
  relays: CountingRelay[],
  network: EngineName,
  bridge: GatewayProcess,
): Promise<string> {
  const [address = ''] = addressesOn(network, bridge)
  const relay = resources.use(await startCountingRelay(Number(/\/tcp\/(\d+)/.exec(address)?.[1])))
  relays.push(relay)
  return address.replace(/\/tcp\/\d+/, `/tcp/${relay.port}`)
}

async function count(way: Way, far: Leaf, calm: Required<Load>): Promise<Received> {
  await pass(way, { ...calm, messages: warmUp })
  const before = await settled(far)
  await pass(way, calm)
  const after = await settled(far)
  return { messages: (after.messages - before.messages) / calm.messages, bytes: (after.bytes - before.bytes) / calm.messages }
}

/** What has been received when no further copies come: a bridge that has just started hands on what it has fetched. */
async function settled(leaf: Leaf): Promise<Received> {
  for (let last = await receivedBy(leaf); ; ) {
    await sleep(settleMs)
    const now = await receivedBy(leaf)
    if (now.messages === last.messages) return now
    last = now
  }
}

async function receivedBy({ gateway, relays }: Leaf): Promise<Received> {
  const peers = await createRest(gateway.url).get<{ items: Array<{ traffic: { messagesIn: number } }> }>('/v1/peers?state=connected')
  return {
    messages: peers.items.reduce((sum, { traffic }) => sum + traffic.messagesIn, 0),
    bytes: relays.reduce((sum, { receivedBytes }) => sum + receivedBytes, 0),
  }
}
