import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { kept } from '../../scripts/build.ts'
import { environmentSchema } from '../../src/config/environment.ts'
import { limitsSchema, limitVariable } from '../../src/limits.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** What operators copy: it must fit the program it is copied for. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFile(join(root, path), 'utf8')
const variables = new Set([...Object.keys(environmentSchema.shape), ...Object.keys(limitsSchema.shape).map(limitVariable)])

const serviceSchema = z.object({
  image: z.string().optional(),
  build: z.string().optional(),
  environment: z.record(z.string(), z.union([z.string(), z.number()])).default({}),
  volumes: z.array(z.string()).default([]),
  ports: z.array(z.string()).default([]),
  depends_on: z.union([z.array(z.string()), z.record(z.string(), z.unknown())]).default([]),
})
const composeSchema = z.object({
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.unknown()),
})

/** Names of metrics in expressions of Prometheus. */
const metricsIn = (text: string) => new Set(text.match(/\b(?:peergate|process|nodejs)_[a-z_]+/g))

async function metricNames(): Promise<Set<string>> {
  const metrics = createMetrics()
  metrics.request('x', 200, 1)
  const text = await metrics.text()
  return new Set([...text.matchAll(/^# TYPE (\S+)/gm)].flatMap(([, name = '']) => [name, `${name}_bucket`, `${name}_count`, `${name}_sum`]))
}

describe('docker-compose.yml', async () => {
  const compose = composeSchema.parse(parse(await read('docker-compose.yml'), { merge: true }))
  const services = Object.entries(compose.services)

  test('sets no variable that the gateway does not know', () => {
    const gateways = services.filter(([, { build }]) => build !== undefined)
    expect(gateways.map(([name]) => name)).toEqual(['gateway-1', 'gateway-2', 'elsewhere'])
    for (const [, { environment }] of gateways) {
      expect(Object.keys(environment).filter((name) => !variables.has(name))).toEqual([])
      expect(Object.keys(environment)).toContain('PEERGATE_ADMIN_TOKEN')
    }
  })

  test('mounts what is there, and volumes that it names', () => {
    for (const [, { volumes }] of services) {
      for (const volume of volumes) {
        const [source = ''] = volume.split(':')
        expect(source.startsWith('.') ? existsSync(join(root, source)) : source in compose.volumes, source).toBe(true)
      }
    }
  })

  test('publishes ports on loopback only, and depends on services that are there', () => {
    for (const [, { ports, depends_on: needs }] of services) {
      for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/)
      for (const need of Array.isArray(needs) ? needs : Object.keys(needs)) expect(compose.services).toHaveProperty([need])
    }
  })
})

test('the Kubernetes example sets no variable that the gateway does not know, and asks probes that are there', async () => {
  const text = await read('deploy/kubernetes.yaml')
  const documents = parseAllDocuments(text).map((document) => document.toJS())
  expect(documents.map(({ kind }) => kind)).toEqual(['Service', 'Service', 'PodDisruptionBudget', 'StatefulSet'])
  const names = [...text.matchAll(/\{ name: ([A-Z_0-9]+), value/g)].map(([, name = '']) => name)
  expect(names).toContain('DATABASE_URL')
  expect(names.filter((name) => !variables.has(name))).toEqual([])
  const openapi = await read('openapi.yaml')
  for (const [, path = ''] of text.matchAll(/path: (\/\w+), port/g)) expect(openapi).toContain(`  ${path}:`)
})

test.each(['deploy/grafana/dashboards/peergate.json', 'deploy/alerts.yml', 'docs/operations.md'])(
  '%s names metrics that are there',
  async (path) => {
    const known = await metricNames()
    const named = metricsIn(await read(path))
    expect(named.size).toBeGreaterThan(0)
    expect([...named].filter((name) => !known.has(name))).toEqual([])
  },
)

test('each alarm is explained to operators', async () => {
  const operations = await read('docs/operations.md')
  const alarms = [...(await read('deploy/alerts.yml')).matchAll(/alert: (\w+)/g)].map(([, name = '']) => name)
  expect(alarms.length).toBeGreaterThan(5)
  for (const alarm of alarms) expect(operations).toContain(`\`${alarm}\``)
})

test('the image runs what is built, and has only the packages that are not inside it', async () => {
  const dockerfile = await read('Dockerfile')
  expect(dockerfile).toMatch(/^CMD \["node", "dist\/main\.js"\]$/m)
  const directory = await temporaryDirectory()
  await copyFile(join(root, 'package.json'), join(directory, 'package.json'))
  await promisify(execFile)(process.execPath, [join(root, 'scripts/keep-packages.ts')], { cwd: directory })
  const left: Record<string, object> = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8'))
  expect(Object.keys(left['dependencies'] ?? {}).toSorted()).toEqual(kept.toSorted())
  expect(left['devDependencies']).toBe(undefined)
})

test('the image has what the program needs, and nothing else', async () => {
  const ignore = (await read('.dockerignore')).trim().split('\n')
  const kept = ignore.filter((line) => line.startsWith('!')).map((line) => line.slice(1))
  for (const path of kept) expect(existsSync(join(root, path)), path).toBe(true)
  const copied = [...(await read('Dockerfile')).matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, paths = '']) => paths.split(' '))
  expect(copied.toSorted().filter((path, index, all) => all.indexOf(path) === index)).toEqual(kept.toSorted())
  // Everything the program reads that is no code of its own lies below these.
  const sources = await readdir(join(root, 'src'), { recursive: true })
  const outside = await Promise.all(
    sources
      .filter((path) => path.endsWith('.ts'))
      .map(async (path) =>
        [...(await read(join('src', path))).matchAll(/new URL\('((?:\.\.\/)+[a-z][^']*)'/g)].map(([, to = '']) => to.replaceAll('../', '')),
      ),
  )
  for (const path of outside.flat()) expect(path).toMatch(/^(prisma\/|package\.json)/)
})
