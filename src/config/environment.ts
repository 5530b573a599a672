import { z } from 'zod'
import { logLevelSchema } from '../model/log-level.ts'

/**
 * The environment variables, in the order of the README's table. Limits have variables of their own (`limitVariable`).
 */
export const environmentSchema = z.object({
  LIBP2P_ENABLED: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .optional()
    .describe('Engine of the node: `true` for libp2p, `false` for the custom engine, which is the default.'),
  PEERGATE_ENGINE: z
    .enum(['custom', 'libp2p', 'both'], { error: 'must be custom, libp2p or both' })
    .optional()
    .describe('The same by name, in place of `LIBP2P_ENABLED`: `custom`, `libp2p`, or `both` for a bridge between the two networks.'),
  PEERGATE_BRIDGE_TOPICS: list('Topics and patterns whose messages a bridge hands from one network to the other. Default: all.'),
  DATABASE_URL: text(
    'Database URL: `file:<path>` for SQLite, or `postgresql://<user>:<password>@<host>/<database>` for PostgreSQL, which several gateways can share. Default: `peergate.db` in the data directory.',
  ).optional(),
  PEERGATE_DATA_DIR: text('Directory of the database, the key and other persistent files.').default('./data'),
  PEERGATE_KEY_FILE: text(
    'Ed25519 private key file (PKCS#8 PEM), created when missing; may be a read-only secret. Default: `peer.key` in the data directory.',
  ).optional(),
  PEERGATE_HTTP_HOST: text('Address that HTTP listens on. An address other than loopback needs access tokens.').default('127.0.0.1'),
  PEERGATE_HTTP_PORT: port('HTTP port; 0 picks a free port.').default(7070),
  PEERGATE_METRICS_PORT: port('Separate port of `/metrics`, which then leaves the HTTP port; 0 picks a free port.').optional(),
  PEERGATE_METRICS_PUBLIC: boolean(false, 'Whether `/metrics` on the HTTP port is public even when access tokens exist.'),
  PEERGATE_STREAM_COMPRESSION: boolean(
    false,
    'Whether WebSocket streams compress messages for clients that offer `permessage-deflate`. A client that sends compressed frames then costs about 50 KiB more.',
  ),
  PEERGATE_ALLOWED_HOSTS: list('Additional Host header values to accept, such as the name of a proxy.'),
  PEERGATE_ALLOWED_ORIGINS: list('Origins of web pages that can use this gateway (`https://app.example`).'),
  PEERGATE_OPEN_ROUTING: boolean(
    false,
    'Whether the lookups of `/routing/v1` (the Delegated Routing API) need no token and serve web pages of every origin.',
  ),
  PEERGATE_TRUSTED_PROXIES: list(
    'Addresses and networks of proxies whose X-Forwarded-For (IP addresses) and X-Forwarded-Proto are trusted.',
  ),
  PEERGATE_ADMIN_TOKEN: text('Token that allows everything, at least 16 characters; use it to create the other tokens.').optional(),
  PEERGATE_ADMIN_TOKEN_FILE: text('File that contains the admin token, in place of `PEERGATE_ADMIN_TOKEN`.').optional(),
  PEERGATE_INSECURE: boolean(false, 'Whether any client can do everything without a token, on any address.'),
  PEERGATE_JWT_JWKS_URL: text(
    'JWKS URL of an identity provider whose JSON Web Tokens are accepted, with rights in the claim `peergate` or `scope`.',
  ).optional(),
  PEERGATE_JWT_SECRET: text(
    'Secret shared with the identity provider (HS256), at least 32 characters, in place of `PEERGATE_JWT_JWKS_URL`.',
  ).optional(),
  PEERGATE_JWT_ISSUER: text('Required issuer of JSON Web Tokens (`iss`).').optional(),
  PEERGATE_JWT_AUDIENCE: text('Required audience of JSON Web Tokens (`aud`).').optional(),
  PEERGATE_LISTEN: list(
    'Multiaddrs that the node listens on; `/p2p-circuit` makes it reachable through relays even if it can be dialled. Default: WebSocket on 7071; with libp2p TCP and QUIC on 7071, and WebSocket on 7072; a bridge listens for the custom network at WebSocket addresses, by default on 7071, and for libp2p at the others, by default TCP and QUIC on 7072.',
  ),
  PEERGATE_ANNOUNCE: list('Multiaddrs announced to other peers in place of the listening addresses.'),
  PEERGATE_BOOTSTRAP: list(
    'Multiaddrs of peers to connect to, each ending in /p2p/<peer id>; the custom engine also takes ws://<host>:<port>.',
  ),
  PEERGATE_TLS_CERT_FILE: text('TLS certificate chain file (PEM), for listening on /tcp/…/wss with the custom engine.').optional(),
  PEERGATE_TLS_KEY_FILE: text('Private key file (PEM) of the TLS certificate.').optional(),
  PEERGATE_MDNS: boolean(true, 'Whether to discover peers on the local network, and be discovered by them.'),
  PEERGATE_RELAY: z
    .enum(['true', 'false'], { error: 'must be true or false' })
    .optional()
    .describe(
      'Whether the node relays connections to peers that cannot be dialled. Default: `true` with the custom engine; with libp2p `true` once a peer has dialled it back; a bridge does both, each in its network.',
    ),
  PEERGATE_PORT_MAPPING: boolean(true, 'Whether the node has the router of its network forward its ports, by PCP, NAT-PMP or UPnP.'),
  PEERGATE_WEBRTC: boolean(
    false,
    'Whether peers that cannot be dialled can connect by WebRTC, over UDP, with signals through a relay; on a bridge, those of its libp2p side. Browsers need libp2p. Also starts a STUN server for them.',
  ),
  PEERGATE_STUN_PORT: port('UDP port of the STUN server; 0 picks a free port.').default(7073),
  PEERGATE_DHT: z
    .enum(['true', 'false', 'lan', 'private', 'public'])
    .default('true')
    .describe(
      'DHT of the node; `false` for none. With libp2p: `lan`, the DHT of the local network, which Kubo supports too; `private`, a DHT of gateways only, with addresses of any kind; `public`, the DHT of IPFS. `true` selects `private` in a private network, and `lan` otherwise.',
    ),
  PEERGATE_PRIVATE_NETWORK_KEY: text(
    'Private network key (libp2p only): 64 hexadecimal digits, as in the swarm.key of IPFS. Only nodes with the same key connect to each other. Excludes QUIC.',
  ).optional(),
  PEERGATE_DIAL: z
    .enum(['any', 'public', 'host'])
    .default('any')
    .describe(
      'Dial policy: `public` refuses every private address; `host` also dials addresses of this host learnt from other peers, for several gateways on one machine.',
    ),
  PEERGATE_DIRECT_FROM: z
    .enum(['all', 'known', 'none'])
    .default('all')
    .describe('Authors whose direct messages are accepted: `all`, `known` (peers that have a label), or `none`.'),
  PEERGATE_HISTORY: boolean(
    true,
    'Whether to fetch missed messages of joined topics from peers, and to serve peers the messages that they missed.',
  ),
  PEERGATE_WEBHOOK_ALLOW: list(
    'Hosts that webhooks may be sent to although they are not public: host names, IP addresses and networks such as `10.0.0.0/8`.',
  ),
  PEERGATE_MIGRATE: boolean(true, 'Whether to migrate the database schema at start.'),
  PEERGATE_LOG_LEVEL: logLevelSchema.default('info').describe('Lowest log level that is written.'),
  OTEL_EXPORTER_OTLP_ENDPOINT: text(
    'OTLP over HTTP endpoint for traces, such as `http://collector:4318`. Without it tracing is off.',
  ).optional(),
  OTEL_TRACES_SAMPLER_ARG: z
    .string()
    .regex(/^(0(\.\d+)?|1(\.0+)?)$/, 'must be a number from 0 to 1')
    .default('1')
    .transform(Number)
    .describe('Share of requests that are traced, from 0 to 1, where the client does not decide.'),
  PEERGATE_SHUTDOWN_MS: wholeNumber('Maximum duration of a shutdown, in milliseconds.', 0, 3_600_000).default(30_000),
})

export type Environment = z.output<typeof environmentSchema>

/** The engine that the environment names, by its own variable or by the flag. */
export function engineOf(values: Partial<Pick<Environment, 'LIBP2P_ENABLED' | 'PEERGATE_ENGINE'>> = {}): 'custom' | 'libp2p' | 'both' {
  return values.PEERGATE_ENGINE ?? (values.LIBP2P_ENABLED === 'true' ? 'libp2p' : 'custom')
}

/**
 * What an operator has to do to get another engine, as the end of a sentence. The two variables are not to contradict
 * each other then.
 */
export function toGetEngine(kind: 'libp2p' | 'both', values: Pick<Environment, 'LIBP2P_ENABLED' | 'PEERGATE_ENGINE'>): string {
  if (kind === 'libp2p' && values.PEERGATE_ENGINE === undefined) return 'set LIBP2P_ENABLED=true'
  return `set PEERGATE_ENGINE=${kind}${values.LIBP2P_ENABLED === undefined ? '' : ', without LIBP2P_ENABLED'}`
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
