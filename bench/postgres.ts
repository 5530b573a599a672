import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
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
import { newMessage } from './stored-messages.ts'

/**
 * PostgreSQL: appends against the bare driver, in the same run; publishing at two gateways of one database against one,
 * and against one on SQLite; the interruption for clients of a gateway that is killed.
 */

const connections = 64
const data = 'x'.repeat(256)
const followers = 200

export async function benchPostgres(): Promise<BenchResult> {
  const server = await startPostgres({ directory: tmpdir() })
  const directory = await mkdtemp(join(tmpdir(), 'peergate-bench-'))
  try {
    const rows = [...(await appends(server, directory)), ...(await publishing(server, directory)), await failover(server, directory)]
    return { name: 'PostgreSQL: appends, two gateways on one database, a gateway killed', rows }
  } finally {
    await server.stop()
    await rm(directory, { recursive: true })
  }
}

async function appends(server: PostgresServer, directory: string): Promise<BenchRow[]> {
  const rows: BenchRow[] = []
  for (const batch of [1, 100, 500]) {
    const url = await server.createDatabase()
    const store = await createStore(
      { url, servedMarkFile: join(directory, `served-${batch}`), migrate: true },
      { logger: pino({ level: 'silent' }) },
    )
    await store.start()
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(`CREATE TABLE "bare" ("seq" BIGSERIAL PRIMARY KEY, "id" TEXT NOT NULL UNIQUE, "topic" TEXT NOT NULL, "data" BYTEA NOT NULL);
      CREATE INDEX ON "bare" ("topic", "seq")`)
    const bare: number[] = []
    const ours: number[] = []
    const count = batch === 1 ? 500 : 10_000
    for (let round = 0; round < 4; round++) {
      bare.push(await rate(count, batch, (messages) => insert(client, messages)))
      ours.push(await rate(count, batch, (messages) => store.log.append(messages)))
    }
    const [limit, value] = [percentile(bare, 0.5), percentile(ours, 0.5)]
    rows.push(
      { label: `bare driver, batches of ${batch}`, value: limit, unit: 'messages/s' },
      { label: `the store, batches of ${batch}`, value, unit: 'messages/s', ofLimit: value / limit },
    )
    await client.end()
    await store.stop()
  }
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

async function publishing(server: PostgresServer, directory: string): Promise<BenchRow[]> {
  const shared = await server.createDatabase()
  const setups: Array<[string, string[]]> = [
    ['one gateway on SQLite', ['']],
    ['one gateway on PostgreSQL', [await server.createDatabase()]],
    ['two gateways on one PostgreSQL', [shared, shared]],
  ]
  const rows: BenchRow[] = []
  let limit: number | undefined
  for (const [label, urls] of setups) {
    const gateways = await startAll(urls, join(directory, label))
    await publish(gateways, 2_000)
    const { perSecond, latencies } = await publish(gateways, 12_000)
    limit ??= perSecond
    rows.push(
      { label: `POST, 64 connections: ${label}`, value: perSecond, unit: 'messages/s', ofLimit: perSecond / limit },
      { label: `p99: ${label}`, value: percentile(latencies, 0.99), unit: 'ms' },
    )
    for (const gateway of gateways) await gateway.end('SIGTERM')
  }
  return rows
}

async function startAll(urls: string[], directory: string): Promise<GatewayProcess[]> {
  const start = (url: string, index: number) =>
    startGateway({ ...benchEnvironment(join(directory, String(index))), ...(url === '' ? {} : { DATABASE_URL: url }) })
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
async function failover(server: PostgresServer, directory: string): Promise<BenchRow> {
  const url = await server.createDatabase()
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
    const { socket: next } = await open(other, cursor)
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
