import { customAddressProblem, isSecureAddress } from './custom/addresses.ts'
import { libp2pAddressProblem } from './libp2p/addresses.ts'

/** What the operator chose of the engine. */
export interface EngineSettings {
  readonly kind: 'custom' | 'libp2p'
  readonly listen: string[]
  readonly announce: string[]
  readonly bootstrap: string[]
  /** For listening with TLS. */
  readonly tls: { readonly certFile: string | undefined; readonly keyFile: string | undefined }
  readonly mdns: boolean
  /** Whether to be a relay for others. */
  readonly relay: boolean
  /** The DHT to take part in: the engine's usual one, none, or one of libp2p's. */
  readonly dht: 'true' | 'false' | DhtMode
  /** Only nodes with the same key have anything to do with each other: 32 bytes in hexadecimal. */
  readonly privateNetworkKey: string | undefined
  /** Whether private addresses may be dialled at all. */
  readonly dialPrivate: boolean
  /** Whether addresses of this host itself may be dialled when other peers told them. */
  readonly dialOwnHost: boolean
}

/** What can't work with the chosen engine, by the variable that says so. */
export function engineSettingsProblems(settings: EngineSettings): Array<{ variable: string; problem: string }> {
  const addressProblem = settings.kind === 'custom' ? customAddressProblem : libp2pAddressProblem
  const problems = addressRoles.flatMap(([variable, role]) =>
    settings[role].flatMap((address) => {
      const problem = addressProblem(address, role)
      return problem === undefined ? [] : [{ variable, problem }]
    }),
  )
  return [...problems, ...(settings.kind === 'custom' ? customProblems(settings) : libp2pProblems(settings))]
}

function customProblems({ dht, privateNetworkKey, tls, listen }: EngineSettings): Array<{ variable: string; problem: string }> {
  const problems: Array<{ variable: string; problem: string }> = []
  if (privateNetworkKey !== undefined) {
    problems.push({ variable: 'PEERGATE_PRIVATE_NETWORK_KEY', problem: 'is set, which is for libp2p; set LIBP2P_ENABLED=true' })
  }
  if (dht !== 'true' && dht !== 'false') {
    problems.push({ variable: 'PEERGATE_DHT', problem: `is ${dht}, which is a DHT of libp2p; set LIBP2P_ENABLED=true` })
  }
  const needed = listen.some(isSecureAddress) || tls.certFile !== undefined || tls.keyFile !== undefined
  const files = [
    { variable: 'PEERGATE_TLS_CERT_FILE', file: tls.certFile },
    { variable: 'PEERGATE_TLS_KEY_FILE', file: tls.keyFile },
  ]
  const missing = needed ? files.filter(({ file }) => file === undefined) : []
  const problem = 'is not set; listening with TLS takes a certificate and its key'
  return [...problems, ...missing.map(({ variable }) => ({ variable, problem }))]
}

function libp2pProblems(settings: EngineSettings): Array<{ variable: string; problem: string }> {
  const { tls, dht, privateNetworkKey } = settings
  const problems: Array<{ variable: string; problem: string }> = []
  if (tls.certFile !== undefined || tls.keyFile !== undefined) {
    const problem = 'is for the custom engine; with libp2p let a proxy do TLS, and announce its address'
    problems.push({ variable: 'PEERGATE_TLS_CERT_FILE', problem })
  }
  if (privateNetworkKey === undefined) return problems
  if (!/^[0-9a-f]{64}$/i.test(privateNetworkKey)) {
    problems.push({
      variable: 'PEERGATE_PRIVATE_NETWORK_KEY',
      problem: 'must be 64 hexadecimal digits, as the last line of a swarm.key has them',
    })
  }
  if (dht === 'public')
    problems.push({ variable: 'PEERGATE_DHT', problem: 'is public, but PEERGATE_PRIVATE_NETWORK_KEY keeps to a private network' })
  for (const [variable, role] of addressRoles) {
    const quic = settings[role].find((address) => address.includes('/quic'))
    if (quic === undefined) continue
    problems.push({ variable, problem: `has "${quic}": QUIC can't be used with PEERGATE_PRIVATE_NETWORK_KEY; TCP and WebSocket can` })
  }
  return problems
}

const addressRoles = [
  ['PEERGATE_LISTEN', 'listen'],
  ['PEERGATE_ANNOUNCE', 'announce'],
  ['PEERGATE_BOOTSTRAP', 'bootstrap'],
] as const

/**
 * Which DHT a node takes part in. Those of different modes do not see each other: they are different protocols.
 * `lan` is Kubo's DHT of the local network, with private addresses only; `private` is one of gateways, with addresses of any kind; `public` is IPFS's.
 */
export type DhtMode = 'lan' | 'private' | 'public'
