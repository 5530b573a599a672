import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, type TestContext, test } from 'vitest'
import { parse, parseAllDocuments, stringify } from 'yaml'
import { z } from 'zod'
import { loadConfig } from '../../src/config/config.ts'
import { neededPorts } from '../../src/gateway/diagnosis/ports.ts'
import { helmOrSkip } from '../fixtures/helm.ts'
import { runCommand } from '../fixtures/run-command.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

/** The chart for Helm: it must render what the program understands, and refuse what cannot work. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const chart = join(root, 'deploy/helm')

const variableSchema = z.object({ name: z.string(), value: z.string().optional() })
const containerSchema = z.looseObject({
  image: z.string(),
  env: z.array(variableSchema),
  ports: z.array(z.object({ name: z.string(), containerPort: z.int(), protocol: z.string().default('TCP'), hostPort: z.int().optional() })),
  volumeMounts: z.array(z.looseObject({ name: z.string() })),
})
const podsSchema = z.looseObject({
  spec: z.looseObject({
    replicas: z.int(),
    template: z.looseObject({ spec: z.looseObject({ containers: z.tuple([containerSchema]), volumes: z.array(z.unknown()) }) }),
  }),
})
const objectSchema = z.looseObject({ kind: z.string(), metadata: z.looseObject({ name: z.string() }) })

type Values = Record<string, unknown>

/** What the chart makes of values. @throws with what Helm says */
async function render(skip: TestContext['skip'], values: Values = {}) {
  const helm = await helmOrSkip(skip)
  const file = join(await temporaryDirectory(), 'values.yaml')
  await writeFile(file, stringify(values))
  const text = await runCommand(helm, ['template', 'mine', chart, '--namespace', 'apps', '--values', file])
  const objects = parseAllDocuments(text).map((document) => objectSchema.parse(document.toJS()))
  const of = (kind: string) => objects.filter((object) => object.kind === kind)
  const pods = podsSchema.parse(of('StatefulSet')[0])
  const [container] = pods.spec.template.spec.containers
  return { objects, of, pods, container }
}

const kindsOf = (objects: z.infer<typeof objectSchema>[]) => objects.map(({ kind }) => kind).toSorted()

test('helm lint finds nothing in the chart, whose version is that of the gateway', async ({ skip }) => {
  await runCommand(await helmOrSkip(skip), ['lint', '--strict', '--quiet', chart])
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  expect(parse(await readFile(join(chart, 'Chart.yaml'), 'utf8'))).toMatchObject({ version, appVersion: version })
})

test('without values it is the example for Kubernetes', async ({ skip }) => {
  const { objects, container, pods } = await render(skip)
  expect(kindsOf(objects)).toEqual(['PodDisruptionBudget', 'Service', 'Service', 'StatefulSet'])
  const example = parseAllDocuments(await readFile(join(root, 'deploy/kubernetes.yaml'), 'utf8')).map((document) => document.toJS())
  const [theirs] = podsSchema.parse(example.find(({ kind }) => kind === 'StatefulSet')).spec.template.spec.containers
  expect(container).toMatchObject({
    startupProbe: theirs['startupProbe'],
    readinessProbe: theirs['readinessProbe'],
    livenessProbe: theirs['livenessProbe'],
    securityContext: theirs['securityContext'],
    resources: theirs['resources'],
    volumeMounts: theirs.volumeMounts,
  })
  expect(container.env.map(({ name }) => name)).toEqual(expect.arrayContaining(theirs.env.map(({ name }) => name)))
  expect(pods.spec.replicas).toBe(2)
})

test.for(['custom', 'libp2p', 'both'] as const)('the ports of the engine %s are those that it listens on', async (engine, { skip }) => {
  const { container, of } = await render(skip, { engine, p2p: { hostPorts: true } })
  const config = loadConfig({ PEERGATE_ENGINE: engine, PEERGATE_METRICS_PORT: '9464' })
  const needed = neededPorts(config).map(({ port, protocol }) => `${port}/${protocol.toUpperCase()}`)
  const ports = container.ports.map(({ containerPort, protocol }) => `${containerPort}/${protocol}`)
  expect(ports.toSorted()).toEqual(needed.toSorted())
  expect(container.ports.filter(({ hostPort }) => hostPort !== undefined)).toHaveLength(ports.length - 2)
  const nodes = of('Service').find(({ metadata }) => metadata.name === 'mine-nodes')
  expect(nodes).toMatchObject({ spec: { ports: container.ports.slice(2).map(({ name, protocol }) => ({ name, protocol })) } })
})

const all: Values = {
  image: { repository: 'registry.example.org/peergate', tag: 'abc' },
  identity: { secret: 'keys' },
  environment: { PEERGATE_BOOTSTRAP: '/dns4/example.org/tcp/7071/ws', PEERGATE_MAX_BODY_BYTES: '2000000' },
  allowedHosts: ['gateway.example.org'],
  trustedProxies: ['10.0.0.0/8', 'fd00::/8'],
  ingress: { enabled: true, className: 'nginx', host: 'peergate.example.org', tlsSecret: 'certificate' },
  networkPolicy: { enabled: true, clients: [{ namespaceSelector: { matchLabels: { name: 'ingress' } } }] },
  persistence: { storageClass: 'fast' },
}

test('with all values the gateway understands its variables, and what stands before it leads to it', async ({ skip }) => {
  const { objects, of, container, pods } = await render(skip, all)
  expect(kindsOf(objects)).toEqual(['Ingress', 'NetworkPolicy', 'PodDisruptionBudget', 'Service', 'Service', 'StatefulSet'])
  const given = container.env.filter(({ name }) => name !== 'POD_NAME')
  const secret = { DATABASE_URL: 'postgresql://db/peergate', PEERGATE_ADMIN_TOKEN: 'a-token-of-the-operator' }
  const env = { ...Object.fromEntries(given.map(({ name, value = '' }) => [name, value])), ...secret }
  const config = loadConfig(env)
  expect(config.warnings).toEqual([])
  expect(config.limits.maxBodyBytes).toBe(2_000_000)
  expect(config.http).toMatchObject({
    allowedHosts: ['mine', 'mine.apps', 'mine.apps.svc', 'peergate.example.org', 'gateway.example.org'],
    trustedProxies: ['10.0.0.0/8', 'fd00::/8'],
  })
  expect(container.image).toBe('registry.example.org/peergate:abc')
  expect(container.volumeMounts).toContainEqual({ name: 'key', mountPath: config.keyFile, subPathExpr: '$(POD_NAME)', readOnly: true })
  // The gateway refuses a key that others may read.
  expect(pods.spec.template.spec.volumes).toContainEqual({ name: 'key', secret: { secretName: 'keys', defaultMode: 0o440 } })
  const backend = { service: { name: 'mine', port: { name: 'http' } } }
  expect(of('Ingress')).toMatchObject([
    { spec: { ingressClassName: 'nginx', rules: [{ host: 'peergate.example.org', http: { paths: [{ path: '/', backend }] } }] } },
  ])
  const rules = [
    { ports: [{ port: 'p2p' }] },
    { from: [{ namespaceSelector: {} }], ports: [{ port: 'http' }] },
    { from: [{ podSelector: {} }], ports: [{ port: 'metrics' }] },
  ]
  expect(of('NetworkPolicy')).toMatchObject([{ spec: { ingress: rules } }])
})

test('one gateway needs no PostgreSQL', async ({ skip }) => {
  const { container } = await render(skip, { replicas: 1, database: { secret: '' }, podDisruptionBudget: { enabled: false } })
  expect(container.env.map(({ name }) => name)).not.toContain('DATABASE_URL')
})

const refused: [Values, string][] = [
  [{ database: { secret: '' } }, 'Several gateways need a PostgreSQL'],
  [{ ingress: { enabled: true, host: 'peergate.example.org' } }, 'Set trustedProxies'],
  [{ ingress: { enabled: true }, trustedProxies: ['10.0.0.1'] }, 'Set ingress.host'],
  [{ engine: 'quick' }, 'engine'],
  [{ replica: 2 }, 'replica'],
  [{ environment: { PEERGATE_MAX_BODY_BYTES: 2_000_000 } }, 'PEERGATE_MAX_BODY_BYTES'],
]

test.for(refused)('refuses %j and says why', async ([values, why], { skip }) => {
  await expect(render(skip, values)).rejects.toThrow(why)
})
