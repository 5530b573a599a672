import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { expectWhole, load } from '../fixtures/crowd.ts'
import { freePort } from '../fixtures/free-port.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { createRest } from '../fixtures/rest.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** What docker-compose.yml describes, as processes: PostgreSQL, two gateways behind a real load balancer, a third elsewhere. */

const server = postgresForTests()
const nginx = ['/usr/sbin/nginx', '/usr/bin/nginx'].find(existsSync)

/** nginx with the configuration of deploy/, but for names and ports. */
async function loadBalancer(ports: number[]): Promise<string> {
  const directory = await temporaryDirectory()
  const port = await freePort()
  const shipped = await readFile(fileURLToPath(new URL('../../deploy/nginx.conf', import.meta.url)), 'utf8')
  const site = ports
    .reduce((text, each, index) => text.replace(`gateway-${index + 1}:7070`, `127.0.0.1:${each}`), shipped)
    .replace('listen 8080', `listen 127.0.0.1:${port}`)
  expect(site).not.toContain('gateway-')
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(directory, name)};`).join('\n')
  const config = `daemon off; pid ${join(directory, 'pid')}; error_log ${join(directory, 'error.log')}; events { worker_connections 2048; }
    http { access_log off; ${paths}
    ${site} }`
  await mkdir(join(directory, 'logs'))
  await writeFile(join(directory, 'nginx.conf'), config)
  const child = spawn(nginx ?? '', ['-p', directory, '-c', join(directory, 'nginx.conf')], { stdio: 'ignore' })
  onTestFinished(async () => {
    child.kill('SIGTERM')
    await once(child, 'exit')
  })
  const url = `http://127.0.0.1:${port}`
  await expect
    .poll(
      async () =>
        await fetch(`${url}/readyz`).then(
          ({ status }) => status,
          () => 0,
        ),
    )
    .toBe(200)
  return url
}

interface Deployment {
  url: string
  environments: Array<Record<string, string>>
  gateways: GatewayProcess[]
}

async function deploy(): Promise<Deployment> {
  const database = await server().createDatabase()
  const environments = await Promise.all(
    [0, 1].map(async () => ({
      ...quietEnvironment(await temporaryDirectory()),
      DATABASE_URL: database,
      PEERGATE_HTTP_PORT: String(await freePort()),
      PEERGATE_TRUSTED_PROXIES: '127.0.0.1',
    })),
  )
  const gateways = await Promise.all(environments.map((env) => gatewayForTest(env)))
  const url = await loadBalancer(environments.map((env) => Number(env.PEERGATE_HTTP_PORT)))
  return { url, environments, gateways }
}

describe.skipIf(nginx === undefined || !hasPostgres)('two gateways behind a load balancer (needs nginx and PostgreSQL)', () => {
  test('are one service with one address, and exchange messages with a gateway elsewhere', { timeout: 240_000 }, async () => {
    const { url, gateways } = await deploy()
    const bootstrap = gateways[0]?.multiaddrs[0] ?? ''
    const elsewhere = await gatewayForTest({ ...quietEnvironment(await temporaryDirectory()), PEERGATE_BOOTSTRAP: bootstrap })
    const [service, other] = [createRest(url), createRest(elsewhere.url)]
    await service.call('PUT', '/v1/topics/orders')
    await other.call('PUT', '/v1/topics/orders')
    await expect.poll(async () => (await other.get<{ subscribers: number }>('/v1/topics/orders')).subscribers).toBeGreaterThan(0)
    await using stream = await openStream(url, { query: '?topic=orders&after=earliest' })
    await stream.expect('caught-up')
    const sent: string[] = []
    for (let number = 0; number < 20; number++) {
      const here = [1, 2, 3].map((client) => service.publish('orders', `here ${number}.${client}`))
      for (const { id } of await Promise.all([...here, other.publish('orders', `elsewhere ${number}`)])) sent.push(id)
    }
    await stream.until(() => stream.messages.length === sent.length)
    const authors = new Set(stream.messages.map(({ from }) => from))
    // The load balancer has used both, and each has signed what it accepted.
    expect(authors).toEqual(new Set([...gateways, elsewhere].map(({ peerId }) => peerId)))
    await expect.poll(async () => (await other.history('topic=orders')).length).toBe(sent.length)
    expect((await service.history('topic=orders')).map(({ id }) => id).toSorted()).toEqual(sent.toSorted())
    const events = await fetch(`${url}/v1/events?topic=orders&after=earliest`)
    const reader = events.body?.getReader()
    expect(new TextDecoder().decode((await reader?.read())?.value)).toContain('retry:')
    await reader?.cancel()
  })

  test('are updated one after another under load, and nothing is lost or missed', { timeout: 240_000 }, async () => {
    const { url, environments, gateways } = await deploy()
    const result = await load([url, url], async (more) => {
      for (const [index, gateway] of gateways.entries()) {
        await more(30)
        expect(await gateway.end('SIGTERM')).toBe(0)
        const updated = await startGateway(environments[index] ?? {})
        onTestFinished(async () => {
          await updated.end('SIGTERM')
        })
        await expect.poll(async () => (await fetch(`${updated.url}/readyz`)).status).toBe(200)
      }
      await more(40)
    })
    await expectWhole(createRest(url), result)
    const nodes = async () => (await createRest(url).get<{ items: Array<{ state: string }> }>('/v1/nodes')).items
    await expect.poll(async () => (await nodes()).map(({ state }) => state)).toEqual(['ready', 'ready'])
  })
})
