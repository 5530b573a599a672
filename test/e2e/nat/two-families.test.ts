import { expect, test } from 'vitest'
import type { Peer } from '../../../src/model/peer.ts'
import { gatewayForTest } from '../../fixtures/gateway-for-test.ts'
import { quietEnvironment } from '../../fixtures/gateway-process.ts'
import { getInside } from '../../fixtures/inside.ts'
import { runProgram } from '../../fixtures/program.ts'
import { canRoute, createRoutedNetwork, publicAddressOf } from '../../fixtures/routed-network.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'

/** A peer with addresses of both families, of which that of IPv6 works or drops what comes. */

const listen = '/ip4/0.0.0.0/tcp/7071,/ip6/::/tcp/7071'
const addresses = { 6: `/ip6/2600::11/tcp/7071`, 4: `/ip4/${publicAddressOf(0)}/tcp/7071` }

/** Milliseconds until a gateway has a link to one whose address of IPv6 is configured before that of IPv4, and the family of the link. */
async function linked({ isHole }: { isHole: boolean }): Promise<{ family: string; tookMs: number }> {
  const { hosts } = await createRoutedNetwork(['none', 'none'])
  const [target = [], source = []] = hosts
  const run = async ([command = '', ...under]: string[], line: string) => await runProgram(command, [...under, ...line.split(' ')])
  if (isHole) {
    for (const line of [
      'nft add table ip6 hole',
      'nft add chain ip6 hole input { type filter hook input priority 0 ; }',
      'nft add rule ip6 hole input tcp dport 7071 drop',
    ])
      await run(target, line)
  }
  const start = async (under: string[], env: Record<string, string>) =>
    await gatewayForTest({ ...quietEnvironment(await temporaryDirectory(), 'libp2p'), PEERGATE_LISTEN: listen, ...env }, under)
  const there = await start(target, {})
  const bootstrap = [addresses[6], addresses[4]].map((address) => `${address}/p2p/${there.peerId}`).join()
  const here = await start(source, { PEERGATE_BOOTSTRAP: bootstrap })
  const begun = performance.now()
  const state = async () => (await getInside<Partial<Peer>>(source, `${here.url}/v1/peers/${there.peerId}`)).state
  await expect.poll(state, { timeout: 60_000, interval: 50 }).toBe('connected')
  const tookMs = performance.now() - begun
  const links = await run(source, 'ss -Htn state established dport = :7071')
  return { family: links.includes('[2600::') ? 'ip6' : 'ip4', tookMs }
}

test('with libp2p IPv6 is used where it works (needs network namespaces)', { timeout: 120_000 }, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  expect(await linked({ isHole: false })).toMatchObject({ family: 'ip6' })
})

test('with libp2p an address of IPv6 that drops what comes keeps IPv4 waiting for a short time (needs network namespaces)', {
  timeout: 120_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const { family, tookMs } = await linked({ isHole: true })
  expect(family).toBe('ip4')
  // A dial has ten seconds.
  expect(tookMs).toBeLessThan(8_000)
})
