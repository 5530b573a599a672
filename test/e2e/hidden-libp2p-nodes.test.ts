import { expect, test } from 'vitest'
import type { NodeView } from '../../src/model/node.ts'
import type { Peer } from '../../src/model/peer.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside, inside } from '../fixtures/inside.ts'
import { canRoute, createRoutedNetwork, publicAddress } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const topic = 'from behind the relays'
const patience = { timeout: 60_000, interval: 500 }
const numbers = (count: number) => Array.from({ length: count }, (_, number) => `${number}`)

interface Place {
  url: string
  peerId: string
  under: string[]
}

async function start(under: string[], env: Record<string, string>): Promise<GatewayProcess> {
  const common = { PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071', PEERGATE_DHT: 'private' }
  return await gatewayForTest({ ...quietEnvironment(await temporaryDirectory(), 'libp2p'), ...common, ...env }, under)
}

const addressOf = ({ peerId }: { peerId: string }, port: number) => `/ip4/${publicAddress}/tcp/${port}/p2p/${peerId}`
const nodeOf = ({ under, url }: Place) => getInside<NodeView>(under, `${url}/v1/node`)
const relaysOf = async (place: Place) => (await nodeOf(place)).reachability.relays

async function post({ under }: Place, url: string, body: object): Promise<{ status: number; body: Record<string, unknown> }> {
  const { output } = await inside(under, 'post', url, JSON.stringify(body)).ended
  return JSON.parse(output)
}

/** Public gateways that know each other, and two behind routers that know the first of them and map each destination anew. */
async function network() {
  const { outside, hosts } = await createRoutedNetwork(['symmetric', 'symmetric'])
  const publicOne = async (port: number, bootstrap: string) => {
    const env = { PEERGATE_LISTEN: `/ip4/0.0.0.0/tcp/${port}`, PEERGATE_BOOTSTRAP: bootstrap, PEERGATE_DIAL: 'host' }
    return { ...(await start(outside, env)), under: outside, port }
  }
  const first = await publicOne(7071, '')
  const bootstrap = addressOf(first, 7071)
  const others = await Promise.all([7081, 7082].map((port) => publicOne(port, bootstrap)))
  const relays = [first, ...others]
  for (const relay of relays) await expect.poll(async () => (await nodeOf(relay)).capabilities.relay, patience).toBe(true)
  const hidden = await Promise.all(hosts.map((host) => start(host, { PEERGATE_BOOTSTRAP: bootstrap })))
  const [one, other] = hidden.map(({ url, peerId }, index): Place => ({ url, peerId, under: hosts[index] ?? [] }))
  if (one === undefined || other === undefined) throw new Error('there are two hosts')
  return { relays, hidden: [one, other] as const }
}

test('with libp2p two gateways behind routers find relays by themselves, reach each other through them, and lose none of 1,000 messages when the relay in use is killed (needs network namespaces)', {
  timeout: 240_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const { relays, hidden } = await network()
  const [one, other] = hidden
  for (const place of hidden) {
    // One is linked from the start, the others are in the DHT.
    await expect.poll(async () => (await relaysOf(place)).length, patience).toBe(2)
    await expect.poll(async () => (await nodeOf(place)).reachability.state, patience).toBe('hidden')
    for (const relay of await relaysOf(place)) {
      expect(relays.map(({ peerId }) => peerId)).toContain(relay)
      const circuit = expect.stringMatching(`^/ip4/11.0.0.1/tcp/70[78]\\d/p2p/${relay}/p2p-circuit/p2p/${place.peerId}$`)
      await expect.poll(async () => (await nodeOf(place)).multiaddrs, patience).toContainEqual(circuit)
    }
  }

  // Nobody has linked the two: the DHT has the addresses through the relays.
  const echo = inside(other.under, 'echo', other.url, 'echo')
  await expect.poll(() => echo.lines).toContain('serving')
  await expect
    .poll(() => post(one, `${one.url}/v1/peers/${other.peerId}/requests/echo`, { data: 'hello' }), patience)
    .toMatchObject({ status: 200, body: { data: 'hello' } })
  const { body: delivery } = await post(other, `${other.url}/v1/peers/${one.peerId}/messages`, { data: 'hello' })
  await expect
    .poll(() => getInside(other.under, `${other.url}/v1/deliveries/${delivery['id']}`), patience)
    .toMatchObject({ state: 'delivered' })
  const path = async () => (await getInside<Partial<Peer>>(one.under, `${one.url}/v1/peers/${other.peerId}`)).path
  await expect.poll(path, patience).toBe('relay')

  const readers = hidden.map(({ under, url }) => inside(under, 'receive', url, topic, '1000'))
  for (const { lines } of readers) await expect.poll(() => lines[0]).toBe('subscribed')
  const writers = hidden.map(({ under, url }) => inside(under, 'trickle', url, topic, '1000', '10'))
  for (const { lines } of readers) await expect.poll(() => lines.length, patience).toBeGreaterThan(100)
  const { via } = await getInside<Partial<Peer>>(one.under, `${one.url}/v1/peers/${other.peerId}`)
  const dead = relays.find(({ peerId }) => peerId === via)
  expect(dead).toBeDefined()
  await dead?.end('SIGKILL')
  for (const { ended } of writers) expect(await ended).toEqual({ code: 0, output: 'done' })
  for (const { ended } of readers) {
    const received = (await ended).output.split('\n').slice(1)
    expect(received.toSorted((a, b) => Number(a) - Number(b))).toEqual(numbers(1000))
  }
  for (const place of hidden) {
    const left = relays.map(({ peerId }) => peerId).filter((peerId) => peerId !== dead?.peerId)
    await expect.poll(async () => (await relaysOf(place)).toSorted(), patience).toEqual(left.toSorted())
  }
  await expect.poll(path, patience).toBe('relay')
})
