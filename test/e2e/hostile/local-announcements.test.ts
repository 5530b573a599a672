import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { gatewayForTest } from '../../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../../fixtures/gateway-process.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'
import { canMakeNamespaces, createNamespaces, runIn, under } from '../../fixtures/namespaces.ts'
import { type Program, startProgram } from '../../fixtures/program.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'

const announcer = fileURLToPath(new URL('../../fixtures/announcer.ts', import.meta.url))
const services = { custom: '_peergate._udp.local', libp2p: '_p2p._udp.local' }
const ends = { custom: '/ws', libp2p: '' }
const listen = { custom: '/ip4/0.0.0.0/tcp/0/ws', libp2p: '/ip4/0.0.0.0/tcp/0' }

function start(namespace: string, ...args: string[]): Program {
  const [command = '', ...rest] = under(namespace)
  return startProgram(command, [...rest, process.execPath, announcer, ...args])
}

test.for(['custom', 'libp2p'] as const)(
  'announcements of another network, or of addresses of the gateway’s own host, make no dials: %s (needs network namespaces)',
  async (engine, { skip }) => {
    skip(!(await canMakeNamespaces()), 'network namespaces are needed')
    const namespaces = createNamespaces()
    const [here, there] = [await namespaces.make('here'), await namespaces.make('there')]
    await namespaces.connect({ namespace: here, name: 'eth0' }, { namespace: there, name: 'eth0' })
    await runIn(here, 'ip address add 10.0.1.1/24 dev eth0', 'ip link set eth0 up')
    await runIn(there, 'ip address add 10.0.1.2/24 dev eth0', 'ip address add 10.0.9.2/32 dev eth0', 'ip link set eth0 up')
    await runIn(here, 'ip route add 10.0.9.2/32 via 10.0.1.2')
    const victim = start(here, '127.0.0.1', '7198')
    await expect.poll(() => victim.lines).toEqual(['ready'])
    const env = { ...quietEnvironment(await temporaryDirectory(), engine), PEERGATE_LISTEN: listen[engine], PEERGATE_MDNS: 'true' }
    await gatewayForTest(env, under(here))
    const at = async (host: string, port: number) => `/ip4/${host}/tcp/${port}${ends[engine]}/p2p/${(await createMemoryIdentity()).peerId}`
    const service = services[engine]
    const far = start(there, '10.0.9.2', '10.0.1.1', service, await at('10.0.9.2', 7_199), await at('127.0.0.1', 7_198))
    await expect.poll(() => far.lines).toEqual(['ready'])
    // The gateway dials what a neighbour announces of itself, and has heard the rest by then.
    const near = start(there, '10.0.1.2', '10.0.1.1', service, await at('127.0.0.1', 7_198), await at('10.0.1.2', 7_199))
    await expect.poll(() => near.lines, { timeout: 30_000 }).toContain('dialled')
    expect([victim.lines, far.lines]).toEqual([['ready'], ['ready']])
  },
)
