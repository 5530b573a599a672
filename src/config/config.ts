import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import type { JwtSettings } from '../access/jwt.ts'
import type { DirectSenders } from '../direct/direct-inbox.ts'
import { type EngineSettings, engineSettingsProblems } from '../engine/settings.ts'
import { type Limits, limitsSchema, limitVariable } from '../limits.ts'
import { type LogLevel, logLevelSchema } from '../model/log-level.ts'
import { databaseUrlProblem } from '../store/database-url.ts'
import { unknownVariables } from './unknown-variables.ts'

/** Everything that can be set, checked and frozen. */
export interface Config {
  readonly engine: EngineSettings
  readonly http: HttpSettings
  readonly access: AccessSettings
  readonly store: { readonly url: string; readonly migrate: boolean }
  readonly dataDir: string
  readonly keyFile: string
  readonly directSenders: DirectSenders
  readonly catchUp: boolean
  readonly tracing: { endpoint: string; ratio: number } | undefined
  readonly logLevel: LogLevel
  readonly shutdownMs: number
  readonly limits: Limits
  /** Names that are not ours; worth a warning. */
  readonly warnings: string[]
}

export interface HttpSettings {
  readonly host: string
  /** 0 picks a free one. */
  readonly port: number
  /** Where the metrics are, instead of beside the API; 0 picks a free one. */
  readonly metricsPort?: number | undefined
  /** Whether they need no token, beside the API. */
  readonly metricsPublic?: boolean | undefined
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

/** What is wrong with one variable, and how to mend it. */
export interface ConfigProblem {
  variable: string
  problem: string
}

/** The environment can't be used; every problem is named. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: ConfigProblem[]

  constructor(problems: ConfigProblem[]) {
    super(problems.map(({ variable, problem }) => `${variable} ${problem}`).join('\n'))
    this.problems = problems
  }
}

/** Clear of Kubo's ports. */
const defaultListen = {
  custom: ['/ip4/0.0.0.0/tcp/7071/ws'],
  libp2p: ['/ip4/0.0.0.0/tcp/7071', '/ip4/0.0.0.0/udp/7071/quic-v1', '/ip4/0.0.0.0/tcp/7072/ws'],
}

/** The variables, in the order of the README's table. */
export const environmentSchema = z.object({
  LIBP2P_ENABLED: boolean(false, 'Which engine the node is: `true` for libp2p, `false` for the custom one.'),
  DATABASE_URL: text(
    'SQLite as `file:<path>`, or PostgreSQL as `postgresql://<user>:<password>@<host>/<database>`, which several gateways may share. By default `peergate.db` in the data directory.',
  ).optional(),
  PEERGATE_DATA_DIR: text('Directory of the database, the key and what else must survive a restart.').default('./data'),
  PEERGATE_KEY_FILE: text(
    'Ed25519 private key (PKCS#8 PEM), created when missing; may be a secret that can only be read. By default `peer.key` in the data directory.',
  ).optional(),
  PEERGATE_HTTP_HOST: text('Address that HTTP listens on; one that others can reach needs access tokens.').default('127.0.0.1'),
  PEERGATE_HTTP_PORT: port('Port of HTTP; 0 picks a free one.').default(7070),
  PEERGATE_METRICS_PORT: port('Port of `/metrics`, which is then not on the port of HTTP; 0 picks a free one.').optional(),
  PEERGATE_METRICS_PUBLIC: boolean(false, 'Whether `/metrics` on the port of HTTP needs no token, also where there are tokens.'),
  PEERGATE_ALLOWED_HOSTS: list('Further values of the Host header that are served, such as the name of a proxy.'),
  PEERGATE_ALLOWED_ORIGINS: list('Origins of web pages that may use this gateway (`https://app.example`).'),
  PEERGATE_TRUSTED_PROXIES: list(
    'Addresses and networks of proxies whose X-Forwarded-For, which must name IP addresses, and X-Forwarded-Proto count.',
  ),
  PEERGATE_ADMIN_TOKEN: text('A token that allows everything, at least 16 characters; the others can be made with it.').optional(),
  PEERGATE_ADMIN_TOKEN_FILE: text('A file that holds it.').optional(),
  PEERGATE_INSECURE: boolean(false, 'Whether to let everybody do everything, wherever HTTP listens.'),
  PEERGATE_JWT_JWKS_URL: text(
    'Where an identity provider publishes its keys: its JSON Web Tokens are accepted, with rights in the claim `peergate` or in `scope`.',
  ).optional(),
  PEERGATE_JWT_SECRET: text('Instead of it a key of at least 32 characters that is shared with the provider (HS256).').optional(),
  PEERGATE_JWT_ISSUER: text('Who must have issued the tokens (`iss`).').optional(),
  PEERGATE_JWT_AUDIENCE: text('Whom they must be for (`aud`).').optional(),
  PEERGATE_LISTEN: list(
    'Multiaddrs that the node listens on; `/p2p-circuit` is to be reached through connected relays. By default WebSocket on 7071; with libp2p TCP and QUIC on 7071, and WebSocket on 7072.',
  ),
  PEERGATE_ANNOUNCE: list('Multiaddrs that others are told instead of those listened on.'),
  PEERGATE_BOOTSTRAP: list(
    'Multiaddrs of peers to connect to, each ending in /p2p/<peer id>; the custom engine also takes ws://<host>:<port>.',
  ),
  PEERGATE_TLS_CERT_FILE: text('Certificate chain (PEM), to listen on /tcp/…/wss with the custom engine.').optional(),
  PEERGATE_TLS_KEY_FILE: text('Its private key (PEM).').optional(),
  PEERGATE_MDNS: boolean(true, 'Whether to find, and be found by, peers on the local network.'),
  PEERGATE_RELAY: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .optional()
    .describe(
      'Whether to be a relay, through which peers are reached that cannot be dialled. By default `true` with the custom engine, `false` with libp2p.',
    ),
  PEERGATE_DHT: z
    .enum(['true', 'false', 'lan', 'private', 'public'])
    .default('true')
    .describe(
      'The DHT to take part in; `false` is none. With libp2p: `lan` is the one of the local network, which Kubo speaks too (also by default, `true`); `private` one of gateways only, with addresses of any kind (by default in a private network); `public` the one of IPFS.',
    ),
  PEERGATE_PRIVATE_NETWORK_KEY: text(
    'With libp2p: 64 hexadecimal digits, as in the swarm.key of IPFS. Only nodes with the same key have anything to do with each other; without QUIC.',
  ).optional(),
  PEERGATE_DIAL: z
    .enum(['any', 'public', 'host'])
    .default('any')
    .describe(
      '`public` refuses every dial of a private address; `host` also dials addresses of this very host that other peers tell, for several gateways on one machine.',
    ),
  PEERGATE_DIRECT_FROM: z
    .enum(['all', 'known', 'none'])
    .default('all')
    .describe('Whose direct messages are taken: everybody’s, those of peers that have a label, or nobody’s.'),
  PEERGATE_HISTORY: boolean(true, 'Whether to fetch from peers what was missed here of joined topics, and to give them what they missed.'),
  PEERGATE_MIGRATE: boolean(true, 'Whether to bring the database up to date at start.'),
  PEERGATE_LOG_LEVEL: logLevelSchema.default('info').describe('Least severe level that is logged.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: text(
    'Where traces are sent, as `http://collector:4318` (OTLP over HTTP); there are none without it.',
  ).optional(),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, 'must be a number from 0 to 1')
    .default('1')
    .transform(Number)
    .describe('The share of requests that are traced, of those whose client does not say.'),
  PEERGATE_SHUTDOWN_MS: wholeNumber('Milliseconds that a shutdown may take.', 0, 3_600_000).default(30_000),
})

/**
 * Reads the environment.
 * @throws ConfigError that names every variable that is wrong
 */
export function loadConfig(env: Record<string, string | undefined>): Config {
  const given = withoutServiceLinks(env)
  const problems: ConfigProblem[] = []
  const values = parse(environmentSchema, given, problems)
  const limits = parseLimits(given, problems)
  const known = [...Object.keys(environmentSchema.shape), ...Object.keys(limitsSchema.shape).map(limitVariable)]
  const unknown = unknownVariables(Object.keys(given), known)
  problems.push(...unknown.misspelt)
  if (values === undefined || limits === undefined) throw new ConfigError(problems)

  const dataDir = resolve(values.PEERGATE_DATA_DIR)
  const kind = values.LIBP2P_ENABLED ? 'libp2p' : 'custom'
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
    relay: values.PEERGATE_RELAY === undefined ? kind === 'custom' : values.PEERGATE_RELAY === 'true',
    dht: values.PEERGATE_DHT,
    privateNetworkKey: values.PEERGATE_PRIVATE_NETWORK_KEY,
    dialPrivate: values.PEERGATE_DIAL !== 'public',
    dialOwnHost: values.PEERGATE_DIAL === 'host',
  }
  problems.push(
    ...engineSettingsProblems(engine),
    ...databaseProblems(values.DATABASE_URL),
    ...accessProblems(values),
    ...tracingProblems(values.OTEL_EXPORTER_OTLP_ENDPOINT),
    ...proxyProblems(values.PEERGATE_TRUSTED_PROXIES),
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
      allowedHosts: values.PEERGATE_ALLOWED_HOSTS,
      allowedOrigins: values.PEERGATE_ALLOWED_ORIGINS,
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
    logLevel: values.PEERGATE_LOG_LEVEL,
    shutdownMs: values.PEERGATE_SHUTDOWN_MS,
    limits: Object.freeze(limits),
    warnings: unknown.foreign.map((name) => `${name} is not a variable of Peergate and is ignored`),
  })
}

function parse<Schema extends z.ZodObject>(schema: Schema, given: unknown, problems: ConfigProblem[]): z.output<Schema> | undefined {
  const parsed = schema.safeParse(given)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) problems.push({ variable: String(issue.path[0] ?? ''), problem: issue.message })
  return undefined
}

function parseLimits(given: Record<string, string>, problems: ConfigProblem[]): Limits | undefined {
  const names = Object.keys(limitsSchema.shape)
  const found = names.flatMap((name) => {
    const value = given[limitVariable(name)]
    return value === undefined ? [] : [[name, /^\d+$/.test(value) ? Number(value) : value]]
  })
  const parsed = limitsSchema.safeParse(Object.fromEntries(found))
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) {
    problems.push({ variable: limitVariable(String(issue.path[0])), problem: `must be a whole number in its range: ${issue.message}` })
  }
  return undefined
}

/**
 * Without what container platforms inject for a service called "peergate…": the names `…_SERVICE_HOST`, `…_SERVICE_PORT…` and
 * `…_PORT_<n>_<proto>…`, and addresses as values of anything named `…_PORT`. What is set to nothing counts as not set.
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

function databaseProblems(url: string | undefined): ConfigProblem[] {
  const problem = url === undefined ? undefined : databaseUrlProblem(url)
  return problem === undefined ? [] : [{ variable: 'DATABASE_URL', problem }]
}

function accessProblems(values: z.output<typeof environmentSchema>): ConfigProblem[] {
  const { PEERGATE_ADMIN_TOKEN: token, PEERGATE_ADMIN_TOKEN_FILE: file } = values
  const { PEERGATE_JWT_JWKS_URL: jwks, PEERGATE_JWT_SECRET: secret, PEERGATE_JWT_AUDIENCE: audience } = values
  const problems: ConfigProblem[] = []
  const add = (variable: string, problem: string) => void problems.push({ variable, problem })
  const problem = token === undefined ? undefined : adminTokenProblem(token)
  if (problem !== undefined) add('PEERGATE_ADMIN_TOKEN', problem)
  if (token !== undefined && file !== undefined) add('PEERGATE_ADMIN_TOKEN_FILE', 'stands beside PEERGATE_ADMIN_TOKEN; set one of them')
  if (jwks !== undefined && !/^https?:\/\//.test(URL.canParse(jwks) ? jwks : ''))
    add('PEERGATE_JWT_JWKS_URL', `is "${jwks}", which is no URL`)
  if (jwks !== undefined && secret !== undefined) add('PEERGATE_JWT_SECRET', 'stands beside PEERGATE_JWT_JWKS_URL; set one of them')
  if (secret !== undefined && secret.length < minSharedKeyLength)
    add('PEERGATE_JWT_SECRET', `must have at least ${minSharedKeyLength} characters`)
  if ((jwks ?? secret) !== undefined && audience === undefined)
    add('PEERGATE_JWT_AUDIENCE', 'is missing: without it a token that the provider made for any other service would do')
  return problems
}

/** What is wrong with the operator's token, as the end of a sentence, or undefined. */
export function adminTokenProblem(token: string): string | undefined {
  // Shorter ones can be guessed; others can't be sent (RFC 6750 §2.1).
  return /^[\w.~+/-]{16,}=*$/.test(token) ? undefined : 'must have at least 16 characters, all of them letters, digits or -._~+/'
}

/** RFC 7518 §3.2: as many bytes as the hash of HS256. */
const minSharedKeyLength = 32

function tracingProblems(endpoint: string | undefined): ConfigProblem[] {
  if (endpoint === undefined || (URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol))) return []
  return [{ variable: 'OTEL_EXPORTER_OTLP_ENDPOINT', problem: `is "${endpoint}", which is no URL; one looks like http://collector:4318` }]
}

function proxyProblems(proxies: string[]): ConfigProblem[] {
  return proxies
    .filter((proxy) => {
      const [address = '', bits, ...rest] = proxy.split('/')
      const family = isIP(address)
      return (
        family === 0 || rest.length > 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128)))
      )
    })
    .map((proxy) => ({
      variable: 'PEERGATE_TRUSTED_PROXIES',
      problem: `has "${proxy}", which is neither an address nor a network such as 10.0.0.0/8`,
    }))
}

function originProblems(origins: string[]): ConfigProblem[] {
  return origins
    .filter((origin) => !URL.canParse(origin) || new URL(origin).origin !== origin)
    .map((origin) => ({
      variable: 'PEERGATE_ALLOWED_ORIGINS',
      problem: `has "${origin}", which is not an origin; one looks like https://app.example`,
    }))
}

function boolean(byDefault: boolean, description: string) {
  return z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .default(byDefault ? 'true' : 'false')
    .transform((value) => value === 'true')
    .describe(description)
}

function wholeNumber(description: string, min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`
  return z.string().regex(/^\d+$/, error).transform(Number).pipe(z.int().min(min, error).max(max, error)).describe(description)
}

function port(description: string) {
  return wholeNumber(description, 0, 65_535)
}

function text(description: string) {
  return z.string().describe(description)
}

function list(description: string) {
  return z
    .string()
    .default('')
    .transform((value) =>
      value
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .describe(description)
}
