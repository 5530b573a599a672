import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { z } from 'zod'
import type { JwtSettings } from '../access/jwt.ts'
import type { DirectSenders } from '../direct/direct-inbox.ts'
import { type EngineSettings, engineSettingsProblems } from '../engine/settings.ts'
import { issueText } from '../lib/issue-text.ts'
import { engineLimits, type Limits, limitsSchema, limitVariable } from '../limits.ts'
import type { LogLevel } from '../model/log-level.ts'
import { everyTopic } from '../model/topic.ts'
import { engineOf, environmentSchema, toGetEngine } from './environment.ts'
import {
  accessProblems,
  type ConfigProblem,
  databaseProblems,
  engineProblems,
  originProblems,
  proxyProblems,
  tracingProblems,
  webhookHostProblems,
} from './problems.ts'
import { unknownVariables } from './unknown-variables.ts'

/**
 * The complete configuration, validated and frozen. `config` owns the environment; the meaning of a setting is with its
 * user.
 */
export interface Config {
  readonly engine: EngineSettings
  readonly http: HttpSettings
  readonly access: AccessSettings
  readonly store: { readonly url: string; readonly migrate: boolean }
  readonly dataDir: string
  readonly keyFile: string
  readonly directSenders: DirectSenders
  readonly catchUp: boolean
  /** Hosts that webhooks may be sent to although they are not public. */
  readonly webhookHosts: string[]
  readonly tracing: { endpoint: string; ratio: number } | undefined
  readonly logLevel: LogLevel
  readonly shutdownMs: number
  readonly limits: Limits
  /** Warnings about unknown variables. */
  readonly warnings: string[]
}

export interface HttpSettings {
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  /** Separate port of the metrics; 0 picks a free port. Undefined: the port of the API. */
  readonly metricsPort?: number | undefined
  /** Whether the metrics need no token on the port of the API. */
  readonly metricsPublic?: boolean | undefined
  readonly streamCompression?: boolean | undefined
  readonly allowedHosts: string[]
  readonly allowedOrigins: string[]
  readonly trustedProxies: string[]
}

export interface AccessSettings {
  readonly insecure: boolean
  readonly adminToken: string | undefined
  readonly adminTokenFile: string | undefined
  readonly jwt: JwtSettings
}

/** The environment is invalid. Lists every problem. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: ConfigProblem[]

  constructor(problems: ConfigProblem[]) {
    super(problems.map(({ variable, problem }) => `${variable} ${problem}`).join('\n'))
    this.problems = problems
  }
}

/** Ports that Kubo does not use. */
const defaultListen = {
  custom: ['/ip4/0.0.0.0/tcp/7071/ws'],
  libp2p: ['/ip4/0.0.0.0/tcp/7071', '/ip4/0.0.0.0/udp/7071/quic-v1', '/ip4/0.0.0.0/tcp/7072/ws'],
  both: ['/ip4/0.0.0.0/tcp/7071/ws', '/ip4/0.0.0.0/tcp/7072', '/ip4/0.0.0.0/udp/7072/quic-v1'],
}

const defaultRelay = { custom: true, libp2p: 'when-reachable', both: 'when-reachable' } as const

/** Variables of the command as a client, which configure no gateway: they may be set where one is started. */
const commandVariables = ['PEERGATE_URL', 'PEERGATE_TOKEN']

/**
 * Reads the environment.
 * @throws ConfigError with every invalid variable
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given = withoutServiceLinks(env)
  const problems: ConfigProblem[] = []
  const values = parse(environmentSchema, given, problems)
  const kind = engineOf(values)
  const limits = parseLimits(given, engineLimits[kind], problems)
  const known = [...Object.keys(environmentSchema.shape), ...Object.keys(limitsSchema.shape).map(limitVariable), ...commandVariables]
  const unknown = unknownVariables(Object.keys(given), known)
  problems.push(...unknown.misspelt)
  if (values === undefined || limits === undefined) throw new ConfigError(problems)

  const dataDir = resolve(values.PEERGATE_DATA_DIR)
  const isPrivate = values.PEERGATE_PRIVATE_NETWORK_KEY !== undefined
  const engine: EngineSettings = {
    kind,
    listen:
      values.PEERGATE_LISTEN.length > 0
        ? values.PEERGATE_LISTEN
        : defaultListen[kind].filter((address) => !isPrivate || !address.includes('/quic')),
    announce: values.PEERGATE_ANNOUNCE,
    bootstrap: values.PEERGATE_BOOTSTRAP,
    tls: { certFile: values.PEERGATE_TLS_CERT_FILE, keyFile: values.PEERGATE_TLS_KEY_FILE },
    mdns: values.PEERGATE_MDNS,
    relay: values.PEERGATE_RELAY === undefined ? defaultRelay[kind] : values.PEERGATE_RELAY === 'true',
    portMapping: values.PEERGATE_PORT_MAPPING,
    webRtc: values.PEERGATE_WEBRTC ? { stunPort: values.PEERGATE_STUN_PORT } : undefined,
    dht: values.PEERGATE_DHT,
    privateNetworkKey: values.PEERGATE_PRIVATE_NETWORK_KEY,
    dialPrivate: values.PEERGATE_DIAL !== 'public',
    dialOwnHost: values.PEERGATE_DIAL === 'host',
    bridgeTopics: values.PEERGATE_BRIDGE_TOPICS.length > 0 ? values.PEERGATE_BRIDGE_TOPICS : [everyTopic],
  }
  problems.push(
    ...engineProblems(values),
    ...engineSettingsProblems(engine, toGetEngine('libp2p', values)),
    ...databaseProblems(values.DATABASE_URL),
    ...accessProblems(values),
    ...tracingProblems(values.OTEL_EXPORTER_OTLP_ENDPOINT),
    ...proxyProblems(values.PEERGATE_TRUSTED_PROXIES),
    ...webhookHostProblems(values.PEERGATE_WEBHOOK_ALLOW),
    ...originProblems(values.PEERGATE_ALLOWED_ORIGINS),
  )
  if (problems.length > 0) throw new ConfigError(problems)

  return Object.freeze({
    engine: Object.freeze(engine),
    http: Object.freeze({
      host: values.PEERGATE_HTTP_HOST,
      port: values.PEERGATE_HTTP_PORT,
      metricsPort: values.PEERGATE_METRICS_PORT,
      metricsPublic: values.PEERGATE_METRICS_PUBLIC,
      streamCompression: values.PEERGATE_STREAM_COMPRESSION,
      allowedHosts: values.PEERGATE_ALLOWED_HOSTS,
      allowedOrigins: values.PEERGATE_ALLOWED_ORIGINS,
      openRouting: values.PEERGATE_OPEN_ROUTING,
      trustedProxies: values.PEERGATE_TRUSTED_PROXIES,
    }),
    access: Object.freeze({
      insecure: values.PEERGATE_INSECURE,
      adminToken: values.PEERGATE_ADMIN_TOKEN,
      adminTokenFile: values.PEERGATE_ADMIN_TOKEN_FILE,
      jwt: Object.freeze({
        jwksUrl: values.PEERGATE_JWT_JWKS_URL,
        secret: values.PEERGATE_JWT_SECRET,
        issuer: values.PEERGATE_JWT_ISSUER,
        audience: values.PEERGATE_JWT_AUDIENCE,
      }),
    }),
    store: Object.freeze({
      url: values.DATABASE_URL ?? pathToFileURL(resolve(dataDir, 'peergate.db')).href,
      migrate: values.PEERGATE_MIGRATE,
    }),
    dataDir,
    keyFile: resolve(values.PEERGATE_KEY_FILE ?? resolve(dataDir, 'peer.key')),
    tracing:
      values.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
        ? undefined
        : Object.freeze({ endpoint: values.OTEL_EXPORTER_OTLP_ENDPOINT, ratio: values.OTEL_TRACES_SAMPLER_ARG }),
    directSenders: values.PEERGATE_DIRECT_FROM,
    catchUp: values.PEERGATE_HISTORY,
    webhookHosts: values.PEERGATE_WEBHOOK_ALLOW,
    logLevel: values.PEERGATE_LOG_LEVEL,
    shutdownMs: values.PEERGATE_SHUTDOWN_MS,
    limits: Object.freeze(limits),
    warnings: unknown.foreign.map((name) => `${name} is not a variable of Peergate and is ignored`),
  })
}

function parse<Schema extends z.ZodObject>(schema: Schema, given: unknown, problems: ConfigProblem[]): z.output<Schema> | undefined {
  const parsed = schema.safeParse(given, { error: issueText })
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) problems.push({ variable: String(issue.path[0] ?? ''), problem: issue.message })
  return undefined
}

function parseLimits(given: Record<string, string>, defaults: Partial<Limits>, problems: ConfigProblem[]): Limits | undefined {
  const names = Object.keys(limitsSchema.shape)
  const found = names.flatMap((name) => {
    const value = given[limitVariable(name)]
    return value === undefined ? [] : [[name, /^\d+$/.test(value) ? Number(value) : value]]
  })
  const parsed = limitsSchema.safeParse({ ...defaults, ...Object.fromEntries(found) }, { error: issueText })
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) {
    problems.push({ variable: limitVariable(String(issue.path[0])), problem: `must be a whole number in its range: it ${issue.message}` })
  }
  return undefined
}

/**
 * Removes the variables that container platforms inject for a service named "peergate…": `…_SERVICE_HOST`,
 * `…_SERVICE_PORT…`, `…_PORT_<n>_<proto>…`, and `…_PORT` with an address as its value. An empty value counts as not
 * set.
 */
function withoutServiceLinks(env: Record<string, string | undefined>): Record<string, string> {
  const given: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || value === '') continue
    if (/^PEERGATE_(.*_)?(SERVICE_(HOST|PORT)(_.*)?|PORT_\d+_(TCP|UDP|SCTP)(_.*)?)$/.test(name)) continue
    if (/^PEERGATE_(.*_)?PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(value)) continue
    given[name] = value
  }
  return given
}
