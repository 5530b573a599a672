import { expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside } from '../fixtures/inside.ts'
import { canMakeNamespaces, createNamespaces, runIn, under } from '../fixtures/namespaces.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const listen = { custom: '/ip4/0.0.0.0/tcp/0/ws', libp2p: '/ip4/0.0.0.0/tcp/0' }

async function start(namespace: string, engine: EngineName) {
  const env = { ...quietEnvironment(await temporaryDirectory(), engine), PEERGATE_LISTEN: listen[engine], PEERGATE_MDNS: 'true' }
  const { url, peerId } = await gatewayForTest(env, under(namespace))
  const get = <Body>(path: string) => getInside<Body>(under(namespace), url + path)
  const connected = async () => (await get<{ items: { peerId: string }[] }>('/v1/peers?state=connected')).items.map((peer) => peer.peerId)
  return { peerId, connected }
}

/** A cable between two hosts, each with an address and no route to anywhere else. */
async function plugIn(namespaces: ReturnType<typeof createNamespaces>, network: number, hosts: string[]): Promise<void> {
  const [first = '', second = ''] = hosts
  const name = `eth${network}`
  await namespaces.connect({ namespace: first, name }, { namespace: second, name })
  for (const [index, host] of hosts.entries()) {
    await runIn(host, `ip address add 10.0.${network}.${index + 1}/24 dev ${name}`, `ip link set ${name} up`)
  }
}

test.for(['custom', 'libp2p'] as const)(
  'a gateway on two networks without a default route finds peers on both, also when a cable is plugged in later, or again: %s (needs network namespaces)',
  async (engine, { skip }) => {
    skip(!(await canMakeNamespaces()), 'network namespaces are needed')
    const namespaces = createNamespaces()
    const [left, middle, right] = [await namespaces.make('left'), await namespaces.make('middle'), await namespaces.make('right')]
    await plugIn(namespaces, 1, [left, middle])
    const [a, b, c] = await Promise.all([start(left, engine), start(middle, engine), start(right, engine)])
    await expect.poll(b.connected).toEqual([a.peerId])

    await plugIn(namespaces, 2, [middle, right])
    await expect.poll(b.connected).toContain(c.peerId)
    await expect.poll(c.connected).toContain(b.peerId)

    await runIn(middle, 'ip link delete eth1')
    await plugIn(namespaces, 1, [left, middle])
    const late = await start(left, engine)
    await expect.poll(b.connected).toContain(late.peerId)
  },
)
