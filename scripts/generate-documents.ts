import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { environmentSchema } from '../src/config/environment.ts'
import { createContract, documentedRoutes } from '../src/http/contract.ts'
import { documentsOf } from '../src/http/openapi.ts'
import { defaultLimits, limitsSchema, limitVariable } from '../src/limits.ts'
import { createMetrics } from '../src/telemetry/metrics.ts'
import { commandPage } from './command-page.ts'
import { errorsPage } from './errors-page.ts'
import { pythonOperations, pythonOperationsPath } from './python-operations.ts'
import { restTypesPath, sealHolds } from './rest-types.ts'

/**
 * Generates openapi.yaml and asyncapi.yaml (as the gateway serves them), the README's table of variables,
 * docs/limits.md, docs/metrics.md, docs/errors.md, docs/command.md and the operations of REST in the Python client. With `--check` it writes nothing, and fails when a committed file differs.
 * The types of REST in the TypeScript client have a generator of their own; here it is checked that they are those of openapi.yaml.
 */

const init = { limits: defaultLimits }
const contract = documentsOf(documentedRoutes(init, createContract(init)))

const documents = [
  { path: 'openapi.yaml', generate: () => contract.openapi.yaml() },
  { path: 'asyncapi.yaml', generate: () => contract.asyncapi.yaml() },
  { path: pythonOperationsPath, generate: () => pythonOperations(contract.openapi.yaml()) },
  { path: 'README.md', generate: withVariables },
  { path: 'docs/limits.md', generate: limitsPage },
  { path: 'docs/metrics.md', generate: metricsPage },
  { path: 'docs/errors.md', generate: errorsPage },
  { path: 'docs/command.md', generate: commandPage },
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

const restTypes = await readFile(fileURLToPath(new URL(`../${restTypesPath}`, import.meta.url)), 'utf8')
if (!sealHolds(restTypes, contract.openapi.yaml())) {
  console.error(`${restTypesPath} is outdated. Run: npm run generate:rest-types`)
  process.exitCode = 1
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
