import { z } from 'zod'
import { logLevelSchema } from '../model/log-level.ts'

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

export type Environment = z.output<typeof environmentSchema>

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
