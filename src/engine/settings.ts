import { customAddressProblem, isSecureAddress } from './custom/addresses.ts'
import { throughRelays } from './dial/circuit-address.ts'
import { libp2pAddressProblem } from './libp2p/addresses.ts'

/** The engine settings that the operator chose. */
export interface EngineSettings {
  readonly kind: 'custom' | 'libp2p' | 'both'
  readonly listen: string[]
  readonly announce: string[]
  readonly bootstrap: string[]
  /** Files for listening with TLS. */
  readonly tls: { readonly certFile: string | undefined; readonly keyFile: string | undefined }
  readonly mdns: boolean
  /**
   * Whether this node relays circuits for other peers. `when-reachable` is for libp2p: once a peer has dialled it back;
   * the custom side of a bridge then relays in any case.
   */
  readonly relay: boolean | 'when-reachable'
  /** Whether to have a router forward the ports of the node. */
  readonly portMapping: boolean
  /** WebRTC; undefined when it is off. The STUN server for peers listens on the UDP port. */
  readonly webRtc: { readonly stunPort: number } | undefined
  /** The DHT to join: `true` for the engine's default one, `false` for none, or one of libp2p's. */
  readonly dht: 'true' | 'false' | DhtMode
  /** Key of a private network, 32 bytes in hexadecimal. Only nodes with the same key can connect to each other. */
  readonly privateNetworkKey: string | undefined
  /** Whether private addresses may be dialled at all. */
  readonly dialPrivate: boolean
  /** Whether addresses of this host itself may be dialled when they were learnt from other peers. */
  readonly dialOwnHost: boolean
  /** Which topics' messages a bridge hands from one network to the other: topics and patterns. */
  readonly bridgeTopics: string[]
}

interface SettingsProblem {
  variable: string
  problem: string
}

/**
 * Settings that do not work with the chosen engine, each with the variable that holds it.
 * @param toGetLibp2p what the operator has to do to have the settings of libp2p work, as the end of a sentence
 */
export function engineSettingsProblems(settings: EngineSettings, toGetLibp2p: string): SettingsProblem[] {
  if (settings.kind === 'both') return bothProblems(settings, toGetLibp2p)
  const isCustom = settings.kind === 'custom'
  const problems = addressRoles.flatMap(([variable, role]) =>
    settings[role].flatMap((address) => {
      const ofLibp2p = libp2pAddressProblem(address, role)
      const problem = isCustom ? customAddressProblem(address, role) : ofLibp2p
      if (problem === undefined) return []
      return [{ variable, problem: isCustom && ofLibp2p === undefined ? `${problem}; ${toGetLibp2p}` : problem }]
    }),
  )
  return [...problems, ...(isCustom ? customProblems(settings, toGetLibp2p) : libp2pProblems(settings))]
}

/**
 * The settings of each engine of a bridge. WebSocket addresses to listen on and to announce are those of the custom
 * engine, others those of libp2p. Peers at WebSocket addresses may be of either network, so both dial them.
 */
export function settingsOfSides(settings: EngineSettings): { custom: EngineSettings; libp2p: EngineSettings } {
  const { listen, announce, bootstrap, dht } = settings
  const isWebSocket = (address: string) => customAddressProblem(address, 'bootstrap') === undefined
  const isOther = (address: string) => !isWebSocket(address) || address === throughRelays
  return {
    custom: {
      ...settings,
      kind: 'custom',
      relay: settings.relay !== false,
      listen: listen.filter((address) => isWebSocket(address) || address === throughRelays),
      announce: announce.filter(isWebSocket),
      bootstrap: bootstrap.filter(isWebSocket),
      dht: dht === 'false' ? 'false' : 'true',
      privateNetworkKey: undefined,
      webRtc: undefined,
    },
    libp2p: {
      ...settings,
      kind: 'libp2p',
      listen: listen.filter(isOther),
      announce: announce.filter(isOther),
      bootstrap: bootstrap.filter((address) => libp2pAddressProblem(address, 'bootstrap') === undefined),
      tls: { certFile: undefined, keyFile: undefined },
    },
  }
}

/** An address that neither engine can use is a problem of libp2p's part, which knows more forms. */
function bothProblems(settings: EngineSettings, toGetLibp2p: string): SettingsProblem[] {
  const { custom, libp2p } = settingsOfSides(settings)
  const unusable = settings.bootstrap.filter((address) => !custom.bootstrap.includes(address))
  return [...engineSettingsProblems(custom, toGetLibp2p), ...engineSettingsProblems({ ...libp2p, bootstrap: unusable }, toGetLibp2p)]
}

function customProblems({ dht, privateNetworkKey, tls, listen }: EngineSettings, toGetLibp2p: string): SettingsProblem[] {
  const problems: SettingsProblem[] = []
  if (privateNetworkKey !== undefined) {
    problems.push({ variable: 'PEERGATE_PRIVATE_NETWORK_KEY', problem: `is set, which is for libp2p; ${toGetLibp2p}` })
  }
  if (dht !== 'true' && dht !== 'false') {
    problems.push({ variable: 'PEERGATE_DHT', problem: `is ${dht}, which is a DHT of libp2p; ${toGetLibp2p}` })
  }
  const needed = listen.some(isSecureAddress) || tls.certFile !== undefined || tls.keyFile !== undefined
  const files = [
    { variable: 'PEERGATE_TLS_CERT_FILE', file: tls.certFile },
    { variable: 'PEERGATE_TLS_KEY_FILE', file: tls.keyFile },
  ]
  const missing = needed ? files.filter(({ file }) => file === undefined) : []
  const problem = 'is not set; listening with TLS requires a certificate and its key'
  return [...problems, ...missing.map(({ variable }) => ({ variable, problem }))]
}

function libp2pProblems(settings: EngineSettings): SettingsProblem[] {
  const { tls, dht, privateNetworkKey, webRtc } = settings
  const problems: SettingsProblem[] = []
  if (tls.certFile !== undefined || tls.keyFile !== undefined) {
    const problem = 'is for the custom engine; with libp2p let a proxy terminate TLS, and announce its address'
    problems.push({ variable: tls.certFile === undefined ? 'PEERGATE_TLS_KEY_FILE' : 'PEERGATE_TLS_CERT_FILE', problem })
  }
  if (privateNetworkKey === undefined) return problems
  if (!/^[0-9a-f]{64}$/i.test(privateNetworkKey)) {
    problems.push({
      variable: 'PEERGATE_PRIVATE_NETWORK_KEY',
      problem: 'must be 64 hexadecimal digits, like the last line of a swarm.key file',
    })
  }
  if (dht === 'public')
    problems.push({
      variable: 'PEERGATE_DHT',
      problem: 'is public, but PEERGATE_PRIVATE_NETWORK_KEY restricts this node to a private network',
    })
  if (webRtc !== undefined) {
    const problem = 'is true, but WebRTC has its own encryption, which PEERGATE_PRIVATE_NETWORK_KEY does not protect'
    problems.push({ variable: 'PEERGATE_WEBRTC', problem })
  }
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
 * The DHT that a node joins. Nodes of different modes do not see each other: they speak different protocols.
 * `lan` is Kubo's DHT of the local network, with private addresses only; `private` is a DHT of gateways, with addresses
 * of any kind; `public` is IPFS's.
 */
export type DhtMode = 'lan' | 'private' | 'public'
