import { existsSync } from 'node:fs'
import { type GatewayProcess, startGateway } from '../test/fixtures/gateway-process.ts'
import { startServer } from './child.ts'
import { benchEnvironment } from './environment.ts'
import { createHttpClient } from './http-client.ts'
import { publishAll } from './publish-all.ts'
import type { BenchResult, BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * (e) Publishing by POST. The limits, in the same run: a bare node:http server and a bare Fastify that parse the body
 * and answer the same JSON, and the gateway on an in-memory file system, where an fsync costs nothing.
 */

const connections = 64
const data = 'x'.repeat(256)
const requestsPerRound = 4_000
/** Rounds alternate, so that a busy moment of the machine affects all. */
const rounds = 10
/** Warm-up rounds: rates rise during them. */
const warmUps = 4
/** Linux's in-memory file system. */
const memoryDirectory = '/dev/shm'

interface Subject {
  label: string
  url: string
  rates: number[]
}

export async function benchPublish(): Promise<BenchResult> {
  await using resources = new AsyncDisposableStack()
  const gateway = await openGateway(resources)
  const answer = await publishOne(gateway.url)
  const http = resources.adopt(await startServer('./bare/http.ts', [answer]), (started) => started.end())
  const fastify = resources.adopt(await startServer('./bare/fastify.ts', [answer]), (started) => started.end())
  const onDisk = subject('the gateway', gateway.url)
  const subjects = [subject('bare node:http', http.url), subject('bare Fastify', fastify.url), onDisk]
  if (existsSync(memoryDirectory)) {
    const inMemory = await openGateway(resources, memoryDirectory)
    subjects.push(subject('the gateway, database in memory', inMemory.url))
  }
  for (let round = 0; round < rounds; round++) {
    for (const { url, rates } of subjects) rates.push(await rate(url))
  }
  return {
    name: `(e) publishing by POST over ${connections} connections, ${data.length} bytes of data`,
    rows: [...compared(subjects), await appendShare(gateway.url, onDisk.rates)],
  }
}

function subject(label: string, url: string): Subject {
  return { label, url, rates: [] }
}

async function openGateway(resources: AsyncDisposableStack, parent?: string): Promise<GatewayProcess> {
  const gateway = await startGateway(benchEnvironment(await temporaryDirectory(resources, parent)))
  resources.defer(async () => void (await gateway.end('SIGTERM')))
  return gateway
}

/** The answer's body, which the bare servers return too. */
async function publishOne(url: string): Promise<string> {
  const client = createHttpClient(url, 1)
  const { body } = await client.post('/v1/topics/bench/messages', JSON.stringify({ data }))
  client.close()
  return body
}

async function rate(url: string): Promise<number> {
  const client = createHttpClient(url, connections)
  const start = performance.now()
  await publishAll(client, { messages: requestsPerRound, connections, data })
  const seconds = (performance.now() - start) / 1_000
  client.close()
  return requestsPerRound / seconds
}

function compared(subjects: Subject[]): BenchRow[] {
  const rows = subjects.map(({ label, rates }) => ({ label, value: percentile(rates.slice(warmUps), 0.5), unit: 'requests/s' }))
  return rows.map((row, index) => (index === 0 ? row : { ...row, ofLimit: row.value / (rows[0]?.value ?? Number.NaN) }))
}

/** Appends as a share of the time of all rounds, from the gateway's own metrics. */
async function appendShare(url: string, rates: number[]): Promise<BenchRow> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  const appending = Number(/^peergate_commit_seconds_sum (\S+)$/m.exec(metrics)?.[1])
  const total = rates.reduce((seconds, perSecond) => seconds + requestsPerRound / perSecond, 0)
  return { label: "the append's share of the gateway's time", value: (appending / total) * 100, unit: '%' }
}
