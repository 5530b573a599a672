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

/**
 * Writes openapi.yaml and asyncapi.yaml, which are what the gateway serves, the README's table of variables, docs/limits.md and
 * docs/metrics.md. With `--check` it writes nothing, and fails when a committed file is another.
 */

const documents = [
  { path: 'openapi.yaml', generate: () => served('/openapi.yaml') },
  { path: 'asyncapi.yaml', generate: () => served('/asyncapi.yaml') },
  { path: 'README.md', generate: withVariables },
  { path: 'docs/limits.md', generate: limitsPage },
  { path: 'docs/metrics.md', generate: metricsPage },
]

for (const { path, generate } of documents) {
  const file = fileURLToPath(new URL(`../${path}`, import.meta.url))
  const committed = await readFile(file, 'utf8').catch(() => '')
  const generated = await generate(committed)
  if (!process.argv.includes('--check')) {
    await writeFile(file, generated)
  } else if (committed !== generated) {
    console.error(`${path} is not what the schemas say. Run: npm run generate`)
    process.exitCode = 1
  }
}

/** A document, from an app that serves nothing else. */
async function served(path: string): Promise<string> {
  const absent = async (): Promise<never> => {
    throw new Error('only the documents are served here')
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
      tokens: { create: absent, list: absent, revoke: absent },
      sessions: { open: absent, close: absent },
      audit: { note: absent, list: absent },
      peers: { list: absent, get: absent, dial: absent, dialPeer: absent, hangUp: absent, forget: absent, ping: absent, annotate: absent },
      topics: { join: absent, leave: absent, list: absent, get: absent, retain: absent, read: absent },
      dht: createDht({ limits: defaultLimits, peerId: '' }, { routing: createNoRouting() }),
      retention: { purge: absent },
      history: { epoch: absent, page: absent, get: absent },
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

Every buffer, queue, cache and wait has a limit, which [src/limits.ts](../src/limits.ts) defines. Set one by its
variable, as a whole number in the unit of its default and without separators. \`GET /v1/node\` answers those in force.

| limit | variable | default | what it bounds, and why |
| --- | --- | --- | --- |
${rows.join('\n')}
`
}

/** The unit that the name of a limit ends with; none is a number of things. */
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

\`GET /metrics\` answers these in the text format of Prometheus, and beside them those of the process and of Node.js
(\`process_…\`, \`nodejs_…\`). Names and labels are part of the contract: they change as it does. The values of labels are few,
whatever clients and peers do.

| metric | kind | labels | |
| --- | --- | --- | --- |
${rows.join('\n')}

Histograms are in seconds or messages, as their names say. The road of a message: \`peergate_inbox_wait_seconds\`, then
\`peergate_commit_seconds\`, then \`peergate_handover_seconds\`.
`
}

/** The README with the variables of the configuration between its marks. */
function withVariables(readme: string): string {
  const { properties = {} } = z.toJSONSchema(environmentSchema, { io: 'input' })
  const rows = Object.entries(environmentSchema.shape).map(([name, schema]) => {
    // JSON Schema has the description, whatever wraps the schema, but loses defaults of what is transformed.
    const byDefault = String(schema.parse(undefined) ?? '')
    return `| \`${name}\` | ${byDefault === '' ? '' : `\`${byDefault}\``} | ${Object(properties[name]).description} |`
  })
  const table = ['| variable | default | |', '| --- | --- | --- |', ...rows].join('\n')
  const [start, end] = ['<!-- configuration -->', '<!-- /configuration -->']
  const marked = new RegExp(`${start}[^]*${end}`)
  if (!marked.test(readme)) throw new Error(`README.md has no ${start} … ${end}`)
  return readme.replace(marked, () => `${start}\n${table}\n${end}`)
}
