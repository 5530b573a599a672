import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { pino } from 'pino'
import { z } from 'zod'
import { createEndings } from '../src/access/endings.ts'
import { createRates } from '../src/access/rates.ts'
import { environmentSchema } from '../src/config/environment.ts'
import { createDht } from '../src/dht/dht.ts'
import { createNoRouting } from '../src/engine/no-routing.ts'
import { createApp } from '../src/http/app.ts'
import { createByteRooms } from '../src/http/byte-room.ts'
import { defaultLimits, limitsSchema, limitVariable } from '../src/limits.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'
import { errorsPage } from './errors-page.ts'

/**
 * Generates openapi.yaml and asyncapi.yaml (as the gateway serves them), the README's table of variables,
 * docs/limits.md, docs/metrics.md and docs/errors.md. With `--check` it writes nothing, and fails when a committed file differs.
 */

const documents = [
  { path: 'openapi.yaml', generate: () => served('/openapi.yaml') },
  { path: 'asyncapi.yaml', generate: () => served('/asyncapi.yaml') },
  { path: 'README.md', generate: withVariables },
  { path: 'docs/limits.md', generate: limitsPage },
  { path: 'docs/metrics.md', generate: metricsPage },
  { path: 'docs/errors.md', generate: errorsPage },
]

for (const { path, generate } of documents) {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url))
  const committed = await readFile(file, 'utf8').catch(() => '')
  const generated = await generate(committed)
  if (!process.argv.includes('--check')) {
    await writeFile(file, generated)
  } else if (committed !== generated) {
    console.error(`${path} is outdated. Run: npm run generate`)
    process.exitCode = 1
  }
}

/** Requests a document from an app that serves only documents. */
async function served(path: string): Promise<string> {
  const absent = async (): Promise<never> => {
    throw new Error('only documents are served here')
  }
  const app = await createApp(
    { allowedHosts: [], allowedOrigins: [], trustedProxies: [], limits: defaultLimits },
    {
      node: absent,
      gateways: { list: absent },
      access: { admit: absent, admitSession: absent },
      endings: createEndings(),
      rates: createRates({ limits: defaultLimits }),
      ...createByteRooms({ limits: defaultLimits }),
      tokens: { create: absent, createOnce: absent, page: absent, get: absent, rename: absent, revoke: absent },
      sessions: { open: absent, close: absent },
      audit: { note: absent, list: absent },
      peers: { list: absent, get: absent, dial: absent, dialPeer: absent, hangUp: absent, forget: absent, ping: absent, annotate: absent },
      topics: { join: absent, leave: absent, list: absent, get: absent, retain: absent, read: absent, require: absent },
      dht: createDht({ limits: defaultLimits, peerId: '' }, { routing: createNoRouting() }),
      retention: { purge: absent, delete: absent },
      history: { page: absent, get: absent, locate: absent },
      publisher: { check: () => undefined, enqueue: absent },
      deliveries: { send: absent, list: absent, get: absent, cancel: absent },
      services: { request: absent },
      stream: { admit: () => undefined, refuse: () => undefined, accept: () => undefined, acceptEvents: absent },
      probes: {
        started: () => false,
        draining: () => false,
        writes: { failure: undefined },
        store: { position: absent },
        damaged: () => false,
      },
      metrics: { request: () => undefined, text: absent, contentType: '' },
      logger: pino({ level: 'warn' }),
    },
  )
  const answer = await app.inject(path)
  await app.close()
  if (answer.statusCode !== 200) throw new Error(`GET ${path} answered ${answer.statusCode}`)
  return answer.body
}

function limitsPage(): string {
  const rows = Object.entries(limitsSchema.shape).map(([name, schema]) => {
    const unit = unitOf(name)
    const value = schema.parse(undefined).toLocaleString('en')
    return `| \`${name}\` | \`${limitVariable(name)}\` | ${value}${unit === '' ? '' : ` ${unit}`} | ${schema.description} |`
  })
  return `# Limits

[src/limits.ts](../src/limits.ts) defines a limit for every buffer, queue, cache and wait. Set a limit by its variable, as
a whole number in the unit of its default, without separators. \`GET /v1/node\` returns the limits in force.

| limit | variable | default | description |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}

/** The unit at the end of a limit's name; empty for a count. */
function unitOf(name: string): string {
  const units = {
    BytesPerSecond: 'bytes/s',
    BytesPerHour: 'bytes/h',
    BytesPerPeer: 'bytes',
    Bytes: 'bytes',
    Percent: '%',
    Rate: 'units/s',
    Burst: 'units',
    Ms: 'ms',
  }
  return Object.entries(units).find(([ending]) => name.endsWith(ending))?.[1] ?? ''
}

async function metricsPage(): Promise<string> {
  const rows = (await createMetrics().describe()).map(
    ({ name, kind, help, labels }) => `| \`${name}\` | ${kind} | ${labels.join(', ')} | ${help} |`,
  )
  return `# Metrics

\`GET /metrics\` returns these metrics in the Prometheus text format, together with those of the process and Node.js
(\`process_…\`, \`nodejs_…\`). Names and labels are part of the contract. The number of label values is fixed, whatever
clients and peers do.

| metric | kind | labels | description |
| --- | --- | --- | --- |
${rows.join('\n')}

Histograms are in seconds or messages, the end of their names. The stages of a published message are
\`peergate_inbox_wait_seconds\`, \`peergate_commit_seconds\` and \`peergate_handover_seconds\`, in this order.
`
}

/** The README with the table of variables between its marks. */
function withVariables(readme: string): string {
  const { properties = {} } = z.toJSONSchema(environmentSchema, { io: 'input' })
  const rows = Object.entries(environmentSchema.shape).map(([name, schema]) => {
    // JSON Schema has the description of every wrapped schema, but loses the defaults of transformed ones.
    const byDefault = String(schema.parse(undefined) ?? '')
    return `| \`${name}\` | ${byDefault === '' ? '' : `\`${byDefault}\``} | ${Object(properties[name]).description} |`
  })
  const table = ['| variable | default | description |', '| --- | --- | --- |', ...rows].join('\n')
  const [start, end] = ['<!-- configuration -->', '<!-- /configuration -->']
  const marked = new RegExp(`${start}[^]*${end}`)
  if (!marked.test(readme)) throw new Error(`README.md has no ${start} … ${end}`)
  return readme.replace(marked, () => `${start}\n${table}\n${end}`)
}
