import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type GatewayProcess, quietEnvironment } from '../fixtures/gateway-process.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { day, hour } from '../fixtures/two-clocks.ts'

/** Gateways whose wall clock is wrong at a start or steps while they run. A moment of stability will do. */

const postgres = postgresForTests({ fsync: false })

/** A place for gateways, and the clock of their machine. */
async function machine(offsetMs: number) {
  const directory = await temporaryDirectory()
  const file = join(directory, 'clock')
  const set = (ms: number) => writeFileSync(file, String(ms))
  set(offsetMs)
  const preload = fileURLToPath(new URL('../fixtures/moved-clock.mjs', import.meta.url))
  const env = {
    ...quietEnvironment(join(directory, 'data')),
    NODE_OPTIONS: `--import=${preload}`,
    MOVED_CLOCK_FILE: file,
    PEERGATE_RETENTION_SWEEP_MS: '20',
    PEERGATE_CLOCK_SETTLE_MS: '1500',
  }
  return { env, set }
}

async function publish({ url }: GatewayProcess, data: string, key = data): Promise<{ id: string; replayed: boolean }> {
  const answer = await fetch(`${url}/v1/topics/orders/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ data }),
  })
  expect(answer.status).toBe(201)
  const { id }: { id: string } = JSON.parse(await answer.text())
  return { id, replayed: answer.headers.get('idempotent-replayed') === 'true' }
}

const history = async ({ url }: GatewayProcess) => (await createRest(url).history('topic=orders')).map(({ data }) => data)

async function metric({ url }: GatewayProcess, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  return Number(new RegExp(`^peergate_${name} (\\d+)`, 'm').exec(text)?.[1])
}

/** The gateway has adopted that its clock, or its database's, is off by so much. */
async function adopts(gateway: GatewayProcess, offsetMs: number): Promise<void> {
  const offset = async () => Date.parse(String((await createRest(gateway.url).get('/v1/node'))['startedAt'])) - Date.now()
  const isThere = async () => Math.abs((await offset()) - offsetMs) < hour / 2 && (await metric(gateway, 'clock_held')) === 0
  await expect.poll(isThere, { interval: 50 }).toBe(true)
}

/** Retention by age works, and has looked at everything since this was called. */
async function sweeps(gateway: GatewayProcess): Promise<void> {
  const rest = createRest(gateway.url)
  await rest.call('PUT', '/v1/topics/short', { retention: { maxAgeMs: 1 } })
  await rest.publish('short', 'x')
  await expect.poll(() => rest.history('topic=short'), { interval: 20 }).toEqual([])
}

test('a device that boots 30 days behind and is then given its time keeps what it has stored, and says what happened', async () => {
  const { env, set } = await machine(-30 * day)
  const gateway = await gatewayForTest(env)
  const data = ['one', 'two', 'three']
  for (const each of data) await publish(gateway, each)
  set(0)
  expect((await publish(gateway, 'one')).replayed).toBe(true)
  await adopts(gateway, 0)
  await sweeps(gateway)
  expect(await history(gateway)).toEqual(data)
  expect((await publish(gateway, 'one')).replayed).toBe(true)
  expect(await metric(gateway, 'clock_steps_total')).toBe(1)
  const told = () => gateway.lines.filter((line) => line.includes('"level":40') && line.includes('the clock has'))
  const steps = () => told().map((line) => /the clock has (stepped|been stable)/.exec(line)?.[1])
  await expect.poll(steps).toEqual(['stepped', 'been stable'])
})

test('eight days ahead for a while empties no topic, and what was stored then is pruned when its time is over', async () => {
  const { env, set } = await machine(0)
  const first = await gatewayForTest(env)
  await publish(first, 'before')
  await first.end('SIGTERM')
  // At a start, until the network has told the time.
  set(8 * day)
  const gateway = await gatewayForTest(env)
  expect(await metric(gateway, 'clock_steps_total')).toBe(1)
  await publish(gateway, 'ahead')
  set(0)
  await adopts(gateway, 0)
  // And while it runs, for so long that it is believed.
  set(8 * day)
  await adopts(gateway, 8 * day)
  await publish(gateway, 'believed')
  await sweeps(gateway)
  set(0)
  await adopts(gateway, 0)
  await publish(gateway, 'after')
  await sweeps(gateway)
  expect(await history(gateway)).toEqual(['before', 'ahead', 'believed', 'after'])
  const times = (await createRest(gateway.url).history('topic=orders')).map(({ receivedAt }) => Date.parse(receivedAt))
  expect(times).toEqual(times.toSorted())
  // A timestamp of the future holds up nothing.
  await createRest(gateway.url).call('PATCH', '/v1/topics/orders', { retention: { maxAgeMs: 1 } })
  await expect.poll(() => history(gateway)).toEqual([])
})

test('a day ahead forgets no idempotency key: what is repeated is published once', async () => {
  const { env, set } = await machine(0)
  const first = await gatewayForTest(env)
  const { id } = await publish(first, 'once')
  set(day + hour)
  expect(await publish(first, 'once')).toEqual({ id, replayed: true })
  await adopts(first, day + hour)
  await sweeps(first)
  expect(await publish(first, 'once')).toEqual({ id, replayed: true })
  set(0)
  await adopts(first, 0)
  await first.end('SIGTERM')
  set(day + hour)
  // Once such a clock has been stable for long enough, the day is taken for one that the gateway was down.
  const second = await gatewayForTest({ ...env, PEERGATE_CLOCK_SETTLE_MS: '60000' })
  expect(await publish(second, 'once')).toEqual({ id, replayed: true })
  expect(await history(second)).toEqual(['once'])
})

describe.skipIf(!hasPostgres)('on PostgreSQL (needs PostgreSQL)', () => {
  test('the clock of the database is that of the log: gateways whose own is wrong agree with it, and go through its steps', async () => {
    const url = await postgres().createDatabase()
    const database = new URL(url).pathname.slice(1)
    // Found before the function of the same name that tells the server's own time.
    await postgres().query(
      url,
      `CREATE SCHEMA moved; CREATE TABLE moved.clock AS SELECT 0::bigint AS ms;
       CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql
         AS $$ SELECT pg_catalog.clock_timestamp() + (SELECT ms FROM moved.clock) * interval '1 millisecond' $$;
       ALTER DATABASE "${database}" SET search_path = public, pg_catalog`,
    )
    const setServer = (ms: number) => postgres().query(url, 'UPDATE moved.clock SET ms = $1', [ms])
    const [one, other] = [await machine(-30 * day), await machine(8 * day)]
    const gateways = [await gatewayForTest({ ...one.env, DATABASE_URL: url }), await gatewayForTest({ ...other.env, DATABASE_URL: url })]
    const [a, b] = gateways
    if (a === undefined || b === undefined) throw new Error('there are two gateways')
    // All the time, each sees the other.
    const states = new Set<string>()
    const watching = new AbortController()
    const watched = Promise.all(
      gateways.map(async ({ url }) => {
        while (!watching.signal.aborted) {
          const { items } = await createRest(url).get<{ items: Array<{ state: string }> }>('/v1/nodes')
          states.add(items.map(({ state }) => state).join(', '))
          await delay(50)
        }
      }),
    )
    const before = Date.now()
    await publish(a, 'one')
    await publish(b, 'two')
    for (const { receivedAt } of await createRest(a.url).history('topic=orders')) {
      expect(Math.abs(Date.parse(receivedAt) - before)).toBeLessThan(60_000)
    }
    // Their own clocks are nobody's.
    one.set(40 * day)
    await setServer(8 * day)
    await publish(a, 'three')
    for (const gateway of gateways) await adopts(gateway, 8 * day)
    await publish(b, 'four')
    await sweeps(a)
    expect(await history(b)).toEqual(['one', 'two', 'three', 'four'])
    expect((await publish(b, 'one')).replayed).toBe(true)
    watching.abort()
    await watched
    expect([...states]).toEqual(['ready, ready'])
    const last = (await createRest(a.url).history('topic=orders')).at(-1)
    expect(Math.abs(Date.parse(last?.receivedAt ?? '') - Date.now() - 8 * day)).toBeLessThan(60_000)
  })
})
