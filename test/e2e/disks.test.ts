import { appendFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment, StartFailed, startGateway } from '../fixtures/gateway-process.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { createRest } from '../fixtures/rest.ts'
import { smallDisk } from '../fixtures/small-disk.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** Disks that are full, and data directories that go away, under real gateways. */

const large = 'x'.repeat(50_000)

/** What publishing is answered: the status, or the code of the error. */
async function publish({ url }: GatewayProcess, data: string): Promise<unknown> {
  const { status, body } = await createRest(url).call('POST', '/v1/topics/orders/messages', { data })
  return status === 201 ? status : body['code']
}

async function readiness({ url }: GatewayProcess): Promise<unknown[]> {
  const answer = await fetch(`${url}/readyz`)
  const { code } = (await answer.json()) as { code?: string }
  return [answer.status, code]
}

/** Takes all the room that is left on a disk. */
function fillUp(file: string): void {
  for (const size of [1_048_576, 65_536, 4_096]) {
    try {
      for (;;) appendFileSync(file, Buffer.alloc(size))
    } catch {
      // Not so much is left.
    }
  }
}

async function publishUntilRefused(gateway: GatewayProcess): Promise<{ published: number; code: unknown }> {
  for (let published = 0; ; published++) {
    const answer = await publish(gateway, large)
    if (answer !== 201) return { published, code: answer }
  }
}

describe('a full disk', () => {
  test('has writes refused by name, is read, also after a restart, and takes messages again once a topic keeps less', async ({ skip }) => {
    const directory = await smallDisk(24)
    if (directory === undefined) return skip('mounting is not allowed here')
    const env = { ...quietEnvironment(directory), PEERGATE_RETENTION_SWEEP_MS: '200' }
    const before = await startGateway(env)
    for (let number = 0; number < 40; number++) expect(await publish(before, large)).toBe(201)
    fillUp(join(directory, 'ballast'))
    const { published, code } = await publishUntilRefused(before)
    expect(code).toBe('database_full')
    await expect.poll(() => readiness(before)).toEqual([503, 'database_full'])
    for (let number = 0; number < 20; number++) expect(await publish(before, large)).toBe('database_full')
    await expect.poll(() => before.lines.filter((line) => line.includes('does not accept writes'))).toHaveLength(1)
    expect(before.lines.join('\n')).not.toContain('"stack"')
    await before.end('SIGTERM')

    fillUp(join(directory, 'ballast'))
    const after = await gatewayForTest(env)
    const rest = createRest(after.url)
    expect(await rest.history('topic=orders')).toHaveLength(40 + published)
    await expect.poll(() => publishUntilRefused(after)).toMatchObject({ code: 'database_full' })
    expect((await rest.call('PUT', '/v1/topics/orders', { retention: { maxMessages: 5 } })).status).toBeLessThan(300)
    await expect.poll(() => publish(after, large)).toBe(201)
    await expect.poll(() => readiness(after)).toEqual([200, undefined])
    for (let number = 0; number < 20; number++) expect(await publish(after, large)).toBe(201)
    await rm(join(directory, 'ballast'))
    await expect.poll(() => after.lines.join('\n')).toContain('has space again')
  })
})

describe('a disk that is full at the very first start', () => {
  test('has that refused in one sentence that says what is needed, and keeps no later start from working', async ({ skip }) => {
    const directory = await smallDisk(8)
    if (directory === undefined) return skip('mounting is not allowed here')
    const ballast = join(directory, 'ballast')
    const data = join(directory, 'data')
    const env = quietEnvironment(data)
    fillUp(ballast)
    // Each start gets a little further, and leaves what it has made: none, the key, its state, the database.
    for (const [bytes, file] of [
      [0, 'peer.key'],
      [8_192, 'peer.key.state'],
      [65_536, 'peergate.db'],
      [262_144, 'peergate.db'],
    ] as const) {
      truncateSync(ballast, statSync(ballast).size - bytes)
      const refusal = await startGateway(env).then(
        () => undefined,
        (error: unknown) => error,
      )
      if (!(refusal instanceof StartFailed)) throw new Error(`the gateway started with ${bytes} bytes`)
      expect(refusal.code, refusal.output).toBe(78)
      const sentence = refusal.output.trim().split('\n').at(-1)
      expect(sentence).toContain(join(data, file))
      expect(sentence).toMatch(/full.*free at least 1 MiB/i)
      expect(refusal.output).not.toMatch(/"stack"|\bat .*\.ts:/)
      fillUp(ballast)
    }
    await rm(ballast)
    const gateway = await gatewayForTest(env)
    expect(await publish(gateway, 'one')).toBe(201)
    expect(await readiness(gateway)).toEqual([200, undefined])
  })
})

describe.runIf(hasPostgres)('a PostgreSQL that takes no writes (needs PostgreSQL)', () => {
  const server = postgresForTests({ fsync: false })

  test('has messages refused by name, is read, also after a restart, and takes messages again by itself', async () => {
    const url = await server().createDatabase()
    const takeWrites = async (value: string) => {
      await server().query(url, `ALTER SYSTEM ${value}`)
      await server().query(url, 'SELECT pg_reload_conf()')
    }
    const env = { ...quietEnvironment(await temporaryDirectory()), DATABASE_URL: url }
    const before = await startGateway(env)
    expect(await publish(before, 'one')).toBe(201)
    expect(await readiness(before)).toEqual([200, undefined])
    await takeWrites('SET default_transaction_read_only = on')
    await expect.poll(() => publish(before, 'two')).toBe('database_read_only')
    await expect.poll(() => readiness(before)).toEqual([503, 'database_read_only'])
    await before.end('SIGTERM')

    const after = await gatewayForTest(env)
    expect((await createRest(after.url).history('topic=orders')).map(({ data }) => data)).toContain('one')
    expect(await publish(after, 'three')).toBe('database_read_only')
    await takeWrites('RESET default_transaction_read_only')
    await expect.poll(() => readiness(after)).toEqual([200, undefined])
    expect(await publish(after, 'four')).toBe(201)
  })
})

describe('a data directory that is deleted while the gateway runs', () => {
  test('has messages refused by name at once, and the gateway not ready within seconds', async () => {
    const directory = await temporaryDirectory()
    const gateway = await gatewayForTest(quietEnvironment(join(directory, 'data')))
    expect(await publish(gateway, 'one')).toBe(201)
    expect(await readiness(gateway)).toEqual([200, undefined])
    rmSync(join(directory, 'data'), { recursive: true })
    expect(await publish(gateway, 'two')).toBe('database_gone')
    await expect.poll(() => readiness(gateway)).toEqual([503, 'database_gone'])
    const direct = await createRest(gateway.url).call('PUT', '/v1/topics/others')
    expect([direct.status, direct.body['code']]).toEqual([503, 'database_gone'])
  })
})
