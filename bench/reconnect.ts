import { BareClient, environmentForMany } from '../test/fixtures/bare-client.ts'
import { freePort } from '../test/fixtures/free-port.ts'
import { startGateway } from '../test/fixtures/gateway-process.ts'
import { benchEnvironment } from './environment.ts'
import type { BenchResult } from './result.ts'
import { temporaryDirectory } from './temporary-directory.ts'

const clients = Number(process.env['PEERGATE_BENCH_CLIENTS'] ?? 10_000)

/** Time until all reconnecting clients are served: at once after a crash, and spread as told after a shutdown. */
export async function benchReconnect(): Promise<BenchResult> {
  await using resources = new AsyncDisposableStack()
  const port = await freePort()
  const directory = await temporaryDirectory(resources)
  const environment = { ...benchEnvironment(directory), ...environmentForMany(clients), PEERGATE_HTTP_PORT: String(port) }
  const start = async () => resources.adopt(await startGateway(environment), async (gateway) => void (await gateway.end('SIGKILL')))
  const crowd = Array.from({ length: clients }, () => new BareClient(port))
  resources.defer(() => {
    for (const client of crowd) client.close()
  })

  const first = await start()
  for (const client of crowd) client.open()
  await allServed(crowd)
  await first.end('SIGKILL')
  const second = await start()
  const crashed = Date.now()
  for (const client of crowd) client.open()
  const afterCrash = await allServed(crowd)
  await second.end('SIGTERM')
  await start()
  const shutDown = Date.now()
  const afterShutdown = await allServed(crowd)
  return {
    name: `${clients} clients reconnect`,
    rows: [
      { label: 'after a crash, all at once, until the last client is served', value: (afterCrash - crashed) / 1_000, unit: 's' },
      {
        label: 'after a shutdown, from the start of the next gateway until the last client is served',
        value: (afterShutdown - shutDown) / 1_000,
        unit: 's',
      },
    ],
  }
}

/** @returns when the last client was served, as Date.now() */
async function allServed(crowd: BareClient[]): Promise<number> {
  while (crowd.some(({ isServed }) => !isServed)) await new Promise((resolve) => setTimeout(resolve, 20))
  return Math.max(...crowd.map(({ servedAt = 0 }) => servedAt))
}
