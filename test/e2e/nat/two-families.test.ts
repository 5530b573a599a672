import { expect, test } from 'vitest'
import type { Peer } from '../../../src/model/peer.ts'
import { gatewayForTest } from '../../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../../fixtures/gateway-process.ts'
import { getInside } from '../../fixtures/inside.ts'
import { runProgram } from '../../fixtures/program.ts'
import { canRoute, createRoutedNetwork, publicAddressOf } from '../../fixtures/routed-network.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'

/** Peers with addresses of both families, of which that of IPv6 works or drops what comes. */

interface Way {
  engine: EngineName
  transport: 'tcp' | 'udp'
  port: number
  /** What follows the port in an address. */
  form: string
}

const ways: Way[] = [
  { engine: 'libp2p', transport: 'tcp', port: 7071, form: '' },
  { engine: 'libp2p', transport: 'tcp', port: 7072, form: '/ws' },
  { engine: 'libp2p', transport: 'udp', port: 7073, form: '/quic-v1' },
  { engine: 'custom', transport: 'tcp', port: 7074, form: '/ws' },
]

type Run = (host: string[], line: string) => Promise<string>

const run: Run = async ([command = '', ...under], line) => await runProgram(command, [...under, ...line.split(' ')])

async function dropIpv6(host: string[]): Promise<void> {
  await run(host, 'nft add table ip6 hole')
  await run(host, 'nft add chain ip6 hole input { type filter hook input priority 0 ; }')
  for (const { transport, port } of ways) await run(host, `nft add rule ip6 hole input ${transport} dport ${port} drop`)
}

/** Milliseconds until a gateway has a link to one whose address of IPv6 is configured before that of IPv4, and the family of the link. */
async function linked(
  { engine, transport, port, form }: Way,
  [target, source]: [string[], string[]],
): Promise<{ family: string; tookMs: number }> {
  const at = (host: string) => `${host}/${transport}/${port}${form}`
  const start = async (under: string[], env: Record<string, string>) =>
    await gatewayForTest({ ...quietEnvironment(await temporaryDirectory(), engine), ...env }, under)
  const there = await start(target, { PEERGATE_LISTEN: `${at('/ip4/0.0.0.0')},${at('/ip6/::')}` })
  const addresses = [at('/ip6/2600::11'), at(`/ip4/${publicAddressOf(0)}`)]
  const bootstrap = addresses.map((address) => `${address}/p2p/${there.peerId}`).join()
  const here = await start(source, {
    PEERGATE_BOOTSTRAP: bootstrap,
    PEERGATE_LISTEN: at('/ip4/127.0.0.1').replace(`${port}`, `${port + 100}`),
  })
  const begun = performance.now()
  const peer = async () => await getInside<Partial<Peer>>(source, `${here.url}/v1/peers/${there.peerId}`)
  await expect.poll(async () => (await peer()).state, { timeout: 60_000, interval: 50 }).toBe('connected')
  const tookMs = performance.now() - begun
  const links = await run(source, `ss -Htn state established dport = :${port}`)
  return { family: links.includes('[2600::') ? 'ip6' : 'ip4', tookMs }
}

async function ends(): Promise<[string[], string[]]> {
  const { hosts } = await createRoutedNetwork(['none', 'none'])
  const [target = [], source = []] = hosts
  return [target, source]
}

test('IPv6 is used where it works (needs network namespaces)', async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const between = await ends()
  // A socket of UDP has no other end that could be listed.
  const overTcp = ways.filter(({ transport }) => transport === 'tcp')
  const links = await Promise.all(overTcp.map((way) => linked(way, between)))
  expect(links.map(({ family }) => family)).toEqual(overTcp.map(() => 'ip6'))
})

test('an address of IPv6 that drops what comes keeps IPv4 waiting for a short time (needs network namespaces)', async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const between = await ends()
  await dropIpv6(between[0])
  for (const { family, tookMs } of await Promise.all(ways.map((way) => linked(way, between)))) {
    expect(family).toBe('ip4')
    // A dial has ten seconds.
    expect(tookMs).toBeLessThan(8_000)
  }
})
