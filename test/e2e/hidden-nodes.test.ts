import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { type GatewayProcess, quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { type Program, runProgram, startProgram } from '../fixtures/program.ts'
import { canRoute, createRoutedNetwork, publicAddress } from '../fixtures/routed-network.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const client = fileURLToPath(new URL('../fixtures/inside-client.ts', import.meta.url))
const topic = 'from behind the routers'
const numbers = (count: number) => Array.from({ length: count }, (_, number) => `${number}`)

async function start(under: string[], env: Record<string, string>): Promise<GatewayProcess> {
  const gateway = await startGateway({ ...quietEnvironment(await temporaryDirectory()), ...env }, under)
  onTestFinished(async () => {
    await gateway.end('SIGKILL')
  })
  return gateway
}

/** Runs the client where the gateway is. */
function inside(under: string[], ...args: string[]): Program {
  const [command = '', ...rest] = under
  return startProgram(command, [...rest, process.execPath, client, ...args])
}

async function get(under: string[], url: string) {
  const [command = '', ...rest] = under
  return JSON.parse(await runProgram(command, [...rest, process.execPath, client, 'get', url]))
}

test('two gateways that no packet from outside can reach exchange 1,000 of 1,000 messages each way through a third (needs network namespaces)', {
  timeout: 180_000,
}, async ({ skip }) => {
  skip(!(await canRoute()), 'network namespaces and nft are needed')
  const { outside, hosts } = await createRoutedNetwork(2)
  const relay = await start(outside, { PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071/ws' })
  const bootstrap = `/ip4/${publicAddress}/tcp/7071/ws/p2p/${relay.peerId}`
  const hidden = await Promise.all(
    hosts.map((host) => start(host, { PEERGATE_LISTEN: '/ip4/0.0.0.0/tcp/7071/ws', PEERGATE_BOOTSTRAP: bootstrap })),
  )
  const places = hidden.map(({ url, peerId }, index) => ({ url, peerId, under: hosts[index] ?? [] }))
  for (const { under, url } of places) {
    // As long as nobody has dialled back in vain.
    await expect
      .poll(async () => (await get(under, `${url}/v1/node`)).reachability, { timeout: 60_000, interval: 1_000 })
      .toMatchObject({
        state: 'hidden',
        relays: [relay.peerId],
      })
  }
  const readers = places.map(({ under, url }) => inside(under, 'receive', url, topic, '1000'))
  for (const { lines } of readers) await expect.poll(() => lines[0], { timeout: 10_000 }).toBe('subscribed')
  const writers = places.map(({ under, url }) => inside(under, 'publish', url, topic, '1000'))
  for (const { ended } of writers) expect(await ended).toEqual({ code: 0, output: 'done' })
  for (const { ended } of readers) {
    const { output } = await ended
    expect(output.split('\n').slice(1)).toEqual(numbers(1000))
  }
  const [first, second] = places
  const peer = await get(first?.under ?? [], `${first?.url}/v1/peers/${second?.peerId}`)
  expect(peer).toMatchObject({ state: 'connected', relayed: true })
})
