import { expect, test } from 'vitest'
import { tcpDialBytes } from '../../../src/engine/reach/allowance.ts'
import { gatewayForTest } from '../../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../../fixtures/gateway-process.ts'
import { inside } from '../../fixtures/inside.ts'
import { runProgram } from '../../fixtures/program.ts'
import { canRoute, createRoutedNetwork, publicAddressOf } from '../../fixtures/routed-network.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'

/**
 * A peer behind a relay names addresses at which it wants to be met, and pays for each dial over TCP with a third of
 * `tcpDialBytes`. That is enough only if the system sends no more to a host that drops what comes.
 */

const ports = { custom: 7071, libp2p: 7072 }
const forms = { custom: '/ws', libp2p: '' }
const engines: EngineName[] = ['custom', 'libp2p']
const somebody = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const ipHeaderBytes = 20

async function run([command = '', ...under]: string[], line: string): Promise<string> {
  return await runProgram(command, [...under, ...line.split(' ')])
}

test('a host that drops what comes is sent no more by a dial over TCP than the dial is paid for (needs network namespaces)', async ({
  skip,
}) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const network = await createRoutedNetwork(['none', 'none'])
  const [source = [], target = []] = network.hosts
  await run(target, 'nft add table ip silence')
  await run(target, 'nft add chain ip silence input { type filter hook input priority 0 ; }')
  for (const port of Object.values(ports)) await run(target, `nft add rule ip silence input tcp dport ${port} counter drop`)

  const dials = engines.map(async (engine) => {
    const { url } = await gatewayForTest(quietEnvironment(await temporaryDirectory(), engine), source)
    const multiaddr = `/ip4/${publicAddressOf(1)}/tcp/${ports[engine]}${forms[engine]}/p2p/${somebody}`
    const { output } = await inside(source, 'post', `${url}/v1/peers`, JSON.stringify({ multiaddr })).ended
    expect(JSON.parse(output)).toMatchObject({ status: 502 })
  })
  await Promise.all(dials)

  const rules = await run(target, 'nft list chain ip silence input')
  for (const engine of engines) {
    const counter = new RegExp(`dport ${ports[engine]} counter packets (\\d+) bytes (\\d+)`).exec(rules)
    const [packets, bytes] = [Number(counter?.[1]), Number(counter?.[2])]
    expect(packets).toBeGreaterThan(1)
    expect(bytes - packets * ipHeaderBytes).toBeLessThanOrEqual(tcpDialBytes)
  }
})
