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
  readonly dht: 'true' | 'false' | 'lan' | 'private'
  /** Whether private addresses may be dialled at all. */
  readonly dialPrivate: boolean
  /** Whether addresses of this host itself may be dialled when other peers told them. */
  readonly dialOwnHost: boolean
}

/** What can't work with the chosen engine, by the variable that says so. */
export function engineSettingsProblems(settings: EngineSettings): Array<{ variable: string; problem: string }> {
  const roles = [
    ['PEERGATE_LISTEN', 'listen'],
    ['PEERGATE_ANNOUNCE', 'announce'],
    ['PEERGATE_BOOTSTRAP', 'bootstrap'],
  ] as const
  const addressProblem = settings.kind === 'custom' ? customAddressProblem : libp2pAddressProblem
  const problems = roles.flatMap(([variable, role]) =>
    settings[role].flatMap((address) => {
      const problem = addressProblem(address, role)
      return problem === undefined ? [] : [{ variable, problem }]
    }),
  )
  return [...problems, ...(settings.kind === 'custom' ? customProblems(settings) : libp2pProblems(settings))]
}

function customProblems({ dht, tls, listen }: EngineSettings): Array<{ variable: string; problem: string }> {
  const problems: Array<{ variable: string; problem: string }> = []
  if (dht === 'lan' || dht === 'private') {
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

function libp2pProblems({ tls }: EngineSettings): Array<{ variable: string; problem: string }> {
  if (tls.certFile === undefined && tls.keyFile === undefined) return []
  return [
    { variable: 'PEERGATE_TLS_CERT_FILE', problem: 'is for the custom engine; with libp2p let a proxy do TLS, and announce its address' },
  ]
}
