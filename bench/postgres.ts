import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { pino } from 'pino'
import { WebSocket } from 'ws'
import type { NewMessage } from '../src/model/message.ts'
import { createStore } from '../src/store/create-store.ts'
import { type GatewayProcess, startGateway } from '../test/fixtures/gateway-process.ts'
import { type PostgresServer, startPostgres } from '../test/fixtures/postgres-server.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { fillStore, newMessage } from './stored-messages.ts'

/**
 * PostgreSQL: appends against the bare driver; publishing at two gateways of one database against one, and against one
 * on SQLite; the interruption for clients of a gateway that is killed. All tables have more than 200,000 rows before,
 * and rounds alternate, so that a busy moment of the machine affects all.
 */

const storedBefore = 200_000
const appendRounds = 4
/** The first is a warm-up. */
const publishRounds = 4

const connections = 64
const data = 'x'.repeat(256)
const followers = 200

export async function benchPostgres(): Promise<BenchResult> {
  const server = await startPostgres({ directory: tmpdir() })
  const directory = await mkdtemp(join(tmpdir(), 'peergate-bench-'))
  try {
    const filled = await fill(server, directory)
    const rows = [
      ...(await appends(server, directory, filled)),
      ...(await publishing(server, directory, filled)),
      await failover(server, directory, filled),
    ]
    return { name: `PostgreSQL, on ${storedBefore} stored messages: appends, two gateways on one database, a gateway killed`, rows }
  } finally {
    await server.stop()
    await rm(directory, { recursive: true })
  }
}

/** A database of a gateway, and beside its tables the one of the bare driver. It is the template of others. */
async function fill(server: PostgresServer, directory: string): Promise<string> {
  const url = await server.createDatabase()
  const servedMarkFile = join(directory, 'served')
  await fillStore({ url, servedMarkFile }, { topic: 'orders', data: Buffer.from(data), count: storedBefore })
  await server.query(
    url,
    'CREATE TABLE "bare" ("seq" BIGSERIAL PRIMARY KEY, "id" TEXT NOT NULL UNIQUE, "topic" TEXT NOT NULL, "data" BYTEA NOT NULL)',
  )
  await server.query(url, 'CREATE INDEX ON "bare" ("topic", "seq")')
  const rows = `SELECT 'bare ' || number, 'orders', convert_to($2, 'UTF8') FROM generate_series(1, $1::int) AS number`
  await server.query(url, `INSERT INTO "bare" ("id", "topic", "data") ${rows}`, [storedBefore, data])
  await server.query(url, 'ANALYZE')
  return url
}

async function appends(server: PostgresServer, directory: string, filled: string): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  const url = await server.createDatabase(filled)
  await using store = await createStore(
    { url, servedMarkFile: join(directory, 'served'), migrate: true },
    { logger: pino({ level: 'silent' }) },
  )
  await store.start()
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  for (const batch of [1, 100, 500]) {
    const bare: number[] = []
    const ours: number[] = []
    const count = batch === 1 ? 500 : 10_000
    for (let round = 0; round < appendRounds; round++) {
      bare.push(await rate(count, batch, (messages) => insert(client, messages)))
      ours.push(await rate(count, batch, (messages) => store.log.append(messages)))
    }
    const [limit, value] = [percentile(bare, 0.5), percentile(ours, 0.5)]
    rows.push(
      { label: `bare driver, batches of ${batch}`, value: limit, unit: 'messages/s' },
      { label: `the store, batches of ${batch}`, value, unit: 'messages/s', ofLimit: value / limit },
    )
  }
  await client.end()
  return rows
}

async function insert(client: pg.Client, messages: NewMessage[]): Promise<void> {
  await client.query({
    name: 'insert',
    text: 'INSERT INTO "bare" ("id", "topic", "data") SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])',
    values: [messages.map(({ id }) => id), messages.map(({ topic }) => topic), messages.map((message) => Buffer.from(message.data))],
  })
}

async function rate(count: number, batch: number, append: (messages: NewMessage[]) => Promise<unknown>): Promise<number> {
  const work = Array.from({ length: count / batch }, () => Array.from({ length: batch }, () => newMessage('orders', Buffer.from(data))))
  const start = performance.now()
  for (const messages of work) await append(messages)
  return count / ((performance.now() - start) / 1_000)
}

async function publishing(server: PostgresServer, directory: string, filled: string): Promise<BenchRow[]> {
  const sqlite = pathToFileURL(join(directory, 'sqlite.db')).href
  const stored = { topic: 'orders', data: Buffer.from(data), count: storedBefore }
  await fillStore({ url: sqlite, servedMarkFile: join(directory, 'served') }, stored)
  const shared = await server.createDatabase(filled)
  const setups = [
    await startSetup(directory, 'one gateway on SQLite', [sqlite]),
    await startSetup(directory, 'one gateway on PostgreSQL', [await server.createDatabase(filled)]),
    await startSetup(directory, 'two gateways on one PostgreSQL', [shared, shared]),
  ]
  for (let round = 0; round < publishRounds; round++) {
    for (const { gateways, rates, latencies } of setups) {
      const measured = await publish(gateways, 4_000)
      if (round === 0) continue
      rates.push(measured.perSecond)
      latencies.push(...measured.latencies)
    }
  }
  for (const { gateways } of setups) for (const gateway of gateways) await gateway.end('SIGTERM')
  const medians = setups.map(({ rates }) => percentile(rates, 0.5))
  return setups.flatMap(({ label, latencies }, index) => {
    const value = medians[index] ?? Number.NaN
    return [
      { label: `POST, 64 connections: ${label}`, value, unit: 'messages/s', ofLimit: value / (medians[0] ?? Number.NaN) },
      { label: `p99: ${label}`, value: percentile(latencies, 0.99), unit: 'ms' },
    ]
  })
}

interface Setup {
  label: string
  gateways: GatewayProcess[]
  rates: number[]
  latencies: number[]
}

async function startSetup(directory: string, label: string, urls: string[]): Promise<Setup> {
  return { label, gateways: await startAll(urls, join(directory, label)), rates: [], latencies: [] }
}

async function startAll(urls: string[], directory: string): Promise<GatewayProcess[]> {
  const start = (url: string, index: number) => startGateway({ ...benchEnvironment(join(directory, String(index))), DATABASE_URL: url })
  return await Promise.all(urls.map(start))
}

async function publish(gateways: GatewayProcess[], count: number) {
  const clients = gateways.map(({ url }) => createHttpClient(url, connections / gateways.length))
  const latencies: number[] = []
  const body = JSON.stringify({ data })
  let next = 0
  const start = performance.now()
  await Promise.all(
    Array.from({ length: connections }, async (_, index) => {
      const client = clients[index % clients.length]
      while (next++ < count) {
        const at = performance.now()
        const answer = await client?.post('/v1/topics/bench/messages', body)
        if (answer?.status !== 201) throw new Error(`publishing answered ${answer?.status}: ${answer?.body}`)
        latencies.push(performance.now() - at)
      }
    }),
  )
  const perSecond = latencies.length / ((performance.now() - start) / 1_000)
  for (const client of clients) client.close()
  return { perSecond, latencies }
}

/** Time from the SIGKILL of one gateway until its last client has resumed at the other. */
async function failover(server: PostgresServer, directory: string, filled: string): Promise<BenchRow> {
  const url = await server.createDatabase(filled)
  const [one, other] = await startAll([url, url], join(directory, 'failover'))
  if (one === undefined || other === undefined) throw new Error('there are no two gateways')
  const open = async (gateway: GatewayProcess, query: string) => {
    const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/v1/stream?topic=bench&after=${query}`)
    const caughtUp = new Promise<string>((resolve) => {
      socket.on('message', (raw) => {
        const frame = JSON.parse(raw.toString())
        if (frame.type === 'caught-up') resolve(frame.cursor)
      })
    })
    await once(socket, 'open')
    return { socket, cursor: await caughtUp }
  }
  const clients = await Promise.all(Array.from({ length: followers }, () => open(one, 'earliest')))
  const resumed = clients.map(async ({ socket, cursor }) => {
    socket.on('error', () => undefined)
    await once(socket, 'close')
    // A gateway with many new clients at once refuses some for a while.
    let next: WebSocket | undefined
    while (next === undefined)
      next = await open(other, cursor).then(
        ({ socket }) => socket,
        () => delay(100, undefined),
      )
    next.terminate()
    return performance.now()
  })
  await delay(500)
  const killed = performance.now()
  const [times] = await Promise.all([Promise.all(resumed), one.end('SIGKILL')])
  await other.end('SIGTERM')
  return {
    label: `SIGKILL of a gateway until the last of ${followers} clients has resumed`,
    value: Math.max(...times) - killed,
    unit: 'ms',
  }
}
