import { expect, onTestFinished, test } from 'vitest'
import { BareClient, environmentForMany } from '../fixtures/bare-client.ts'
import { freePort } from '../fixtures/free-port.ts'
import { quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const clients = 10_000
/** Over which a gateway that shuts down spreads its clients. */
const seconds = 5

/** Files that this process may have open, and those that it starts. */
function openFiles(): number {
  const limits: unknown = Object(process.report.getReport()).userLimits
  return Number(Object(Object(limits).open_files).soft)
}

test.skipIf(openFiles() < 1.5 * clients)(
  'ten thousand clients that come back, at once or when they were told to, are all served, and miss nothing (needs 15,000 open files)',
  { timeout: 480_000 },
  async () => {
    const port = await freePort()
    const env = {
      ...quietEnvironment(await temporaryDirectory()),
      PEERGATE_HTTP_PORT: String(port),
      ...environmentForMany(clients),
    }
    const before = await startGateway(env)
    const crowd = Array.from({ length: clients }, () => new BareClient(port))
    onTestFinished(() => {
      for (const client of crowd) client.close()
    })
    const unserved = () => crowd.filter((client) => !client.isServed).length
    for (const client of crowd) client.open()
    await expect.poll(unserved, { timeout: 120_000, interval: 200 }).toBe(0)
    await before.end('SIGKILL')
    const after = await startGateway(env)
    onTestFinished(async () => {
      await after.end('SIGKILL')
    })
    for (const client of crowd) client.open()
    // Other work goes on meanwhile: it may be told to wait, but not be left without an answer.
    const rest = createRest(after.url)
    expect([200, 503]).toContain((await rest.call('GET', '/v1/node')).status)
    await expect.poll(unserved, { timeout: 120_000, interval: 200 }).toBe(0)
    await expect.poll(async () => (await rest.call('POST', '/v1/topics/orders/messages', { data: 'to everybody' })).status).toBe(201)
    await expect
      .poll(() => crowd.filter(({ received }) => !received.includes('to everybody')).length, { timeout: 60_000, interval: 200 })
      .toBe(0)
    // They did come at once.
    expect(crowd.reduce((sum, { attempts }) => sum + attempts, 0)).toBeGreaterThanOrEqual(2 * clients)

    // A gateway that shuts down tells each when to come back: as many in each second of five.
    await after.end('SIGTERM')
    // This process has what the gateway said before its end still to read.
    const untold = () => crowd.filter(({ toldMs }) => toldMs === undefined).length
    await expect.poll(untold, { timeout: 60_000, interval: 200 }).toBeLessThan(0.05 * clients)
    const told = crowd.map(({ toldMs = -1 }) => Math.min(Math.floor(toldMs / 1_000), seconds - 1))
    for (let second = 0; second < seconds; second++) {
      const share = told.filter((each) => each === second).length / clients
      expect(share).toBeGreaterThan(0.8 / seconds)
      expect(share).toBeLessThan(1.2 / seconds)
    }
    const upAgain = await startGateway(env)
    onTestFinished(async () => {
      await upAgain.end('SIGKILL')
    })
    await expect.poll(unserved, { timeout: 120_000, interval: 200 }).toBe(0)
  },
)
