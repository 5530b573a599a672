import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import type { Identify } from '@libp2p/identify'
import type { Connection, ConnectionGater, Libp2p } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { Ping } from '@libp2p/ping'
import { preSharedKey } from '@libp2p/pnet'
import type { Datastore } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import { libp2pKey } from '../../lib/libp2p-key.ts'
import type { Limits } from '../../limits.ts'
import type { PunchOutcome, PunchTransport } from '../../telemetry/network-metrics.ts'
import type { Asker } from '../asker.ts'
import type { Bodies } from '../bodies.ts'
import { throughRelays } from '../dial/circuit-address.ts'
import { createDialGate } from '../dial/gate.ts'
import type { DialPolicy } from '../dial/policy.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { createAllowances } from '../reach/allowance.ts'
import type { DhtMode } from '../settings.ts'
import { dhtService } from './dht/dht.ts'
import type { Namespaces } from './dht/dht-namespaces.ts'
import { selfLookups } from './dht/self-lookups.ts'
import type { DialledAt } from './dialled-at.ts'
import { gossipOptions } from './gossip/gossip-options.ts'
import { identifyServices } from './identify.ts'
import { watchingForOwnKey } from './own-key.ts'
import { pingService } from './ping-service.ts'
import type { ObservedAddresses } from './punching/observed-addresses.ts'
import { punchService } from './punching/punch-service.ts'
import type { OwnAddresses } from './reach/own-addresses.ts'
import { muxerOf, type SignsOfLife } from './signs-of-life.ts'
import { firstAddresses } from './stored-addresses.ts'
import { addressOrder } from './transport/address-order.ts'
import { boundMuxer } from './transport/bounded-muxer.ts'
import { createDnsaddrResolver } from './transport/dnsaddr.ts'
import { createOwnPort } from './transport/own-port.ts'
import { createQuicOwnPort } from './transport/quic-own-port.ts'
import { quicTransport } from './transport/quic-transport.ts'
import type { RelayServer } from './transport/relay-server.ts'
import { relayTransport } from './transport/relay-transport.ts'
import { tcpTransport } from './transport/tcp-transport.ts'
import { webSocketTransport } from './transport/websocket-transport.ts'
import type { WebRtcLoader } from './webrtc/webrtc-transport.ts'

export type Node = Libp2p<{ pubsub: GossipSub; identify: Identify; ping: Ping; dht?: KadDHT }>

export interface NodeInit {
  seed: Uint8Array
  listen: string[]
  announce: string[]
  /** Number of configured peers, which may have links beyond the limit. */
  protectedPeers: number
  /** Whether this node may relay circuits for other peers. */
  relay: boolean
  /** The DHT to join; undefined for none. */
  dht?: DhtMode | undefined
  /** 32 bytes in hexadecimal. Only nodes with the same key can connect to each other. */
  privateNetworkKey?: string | undefined
  agent: string
  limits: Limits
}

export interface NodeComponents {
  policy: DialPolicy
  reached: LimitsReached
  bodies: Bodies
  askerOf(connection: Connection): Asker
  gater: ConnectionGater
  relay: Pick<RelayServer, 'service'>
  addresses: Pick<OwnAddresses, 'service' | 'relayedListener'>
  webRtc: WebRtcLoader
  /** Whether this node is hidden, as far as it knows. */
  needsHoles(): boolean
  datastore: Datastore
  dhtDatastore: Datastore
  namespaces: Namespaces
  signsOfLife: SignsOfLife
  dialledAt: Pick<DialledAt, 'through'>
  punching: Pick<ObservedAddresses, 'dialled' | 'all'>
  onPunch(transport: PunchTransport, outcome: PunchOutcome): void
  /** Another node, at this address if it is known, has this node's own key. */
  onOwnKey: (remote: string | undefined) => void
  /** A connected peer has told addresses of other peers. */
  onTold: (addresses: string[], peerId: string) => void
}

const maxDials = 50
/** Concurrent pings on one link, each on its own stream. */
const maxPings = 8
const maxQueuedDials = 500
/** Milliseconds for the ends of a stream to negotiate its protocol; gossipsub opens its streams one after another. */
const negotiationTimeoutMs = 5_000

/** Creates a libp2p node without starting it. Every limit is set, since several defaults are unbounded. */
export async function createNode(init: NodeInit, components: NodeComponents): Promise<Node> {
  const { limits } = init
  const { policy, reached, bodies, askerOf, gater, relay, datastore, dhtDatastore, namespaces, onOwnKey, onTold } = components
  const { signsOfLife, dialledAt, punching, addresses, webRtc } = components
  const gate = dialledAt.through(createDialGate({ policy, onRefused: () => reached.note('told_dial') }))
  // The gater refuses connections over the limit; libp2p itself would prune by age.
  const maxConnections = limits.maxConnections + init.protectedPeers
  const maxSockets = 2 * maxConnections
  const ports = { gate, needsHoles: components.needsHoles, onFromOwnPort: punching.dialled }
  const ofMuxer = createAllowances(signsOfLife.receivedBytes)
  const allowanceOf = (relayed: Connection) => ofMuxer(muxerOf(relayed))
  const [tcpPort, quicPort] = [await createOwnPort(), createQuicOwnPort({ maxFlows: maxSockets })]
  return await createLibp2p({
    start: false,
    privateKey: libp2pKey(init.seed),
    nodeInfo: { userAgent: init.agent },
    addresses: { listen: listened(init.listen, webRtc), announce: init.announce },
    datastore,
    peerStore: { addressFilter: firstAddresses() },
    connectionGater: gater,
    connectionManager: {
      maxConnections,
      inboundConnectionThreshold: limits.maxInboundConnectionsPerAddress,
      // The gater has places for at most half as many; one that gives way is pending until its end was noticed.
      maxIncomingPendingConnections: maxSockets,
      maxParallelDials: maxDials,
      maxDialQueueLength: maxQueuedDials,
      dialTimeout: limits.dialTimeoutMs,
      addressDialTimeout: limits.dialTimeoutMs,
      addressSorter: addressOrder,
      inboundUpgradeTimeout: limits.dialTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: negotiationTimeoutMs,
      outboundStreamProtocolNegotiationTimeout: negotiationTimeoutMs,
      resolvers: { dnsaddr: createDnsaddrResolver(policy) },
    },
    // connection-monitor.ts takes its place.
    connectionMonitor: { enabled: false },
    transports: [
      tcpTransport({ maxConnections: maxSockets }, { ...ports, ownPort: tcpPort }),
      webSocketTransport({ ...limits, maxSockets }, { gate, reached }),
      // QUIC has its own encryption, which a private network key does not protect.
      ...(init.privateNetworkKey === undefined ? [quicTransport({ limits }, { ...ports, ownPort: quicPort, reached, signsOfLife })] : []),
      relayTransport({ gate, listener: addresses.relayedListener }),
      ...(webRtc.isOn ? [await webRtc.load({ gate, policy, allowanceOf, reached, signsOfLife })] : []),
    ],
    ...(init.privateNetworkKey === undefined ? {} : { connectionProtector: preSharedKey({ psk: swarmKey(init.privateNetworkKey) }) }),
    connectionEncrypters: [watchingForOwnKey(noise(), onOwnKey)],
    streamMuxers: [
      () =>
        boundMuxer(
          yamux({
            maxInboundStreams: limits.maxStreamsPerConnection,
            maxOutboundStreams: limits.maxStreamsPerConnection,
            // Streams opened before this end has finished its handshake: the first requests of a peer. With one more,
            // yamux would end the connection.
            maxEarlyStreams: limits.maxStreamsPerConnection,
            streamOptions: {
              maxStreamWindowSize: limits.maxStreamBufferBytes,
              maxReadBufferLength: limits.maxStreamBufferBytes,
            },
          })(),
          limits,
          { reached, signsOfLife },
        ),
    ],
    services: {
      ...identifyServices({ reached }),
      // Clients, the DHT and the connection monitor ping concurrently.
      ping: pingService({ timeout: limits.pingTimeoutMs, maxInboundStreams: maxPings, maxOutboundStreams: maxPings }),
      punching: punchService({ policy, observed: punching, allowanceOf, onEnd: components.onPunch }),
      pubsub: gossipsub(gossipOptions(limits)),
      addresses: addresses.service,
      ...(init.dht === undefined
        ? {}
        : {
            dht: dhtService(dhtInit(init.dht, init), { datastore: dhtDatastore, namespaces, onTold, bodies, askerOf }),
            selfLookups,
          }),
      ...(init.relay ? { relay: relay.service } : {}),
    },
  })
}

/** A node that is reached only through relays queries the DHT, and answers no queries. */
function dhtInit(mode: DhtMode, { listen, limits }: NodeInit) {
  return { mode, isDialable: listen.some((address) => address !== throughRelays), limits }
}

/** Any node may become one that is reached through relays, where it takes signals for WebRTC, too. */
function listened(listen: string[], webRtc: Pick<WebRtcLoader, 'isOn'>): string[] {
  return [...new Set([...listen, throughRelays, ...(webRtc.isOn ? ['/webrtc'] : [])])]
}

/** The format of IPFS's swarm.key file: https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md */
function swarmKey(hex: string): Uint8Array {
  return Buffer.from(`/key/swarm/psk/1.0.0/\n/base16/\n${hex}\n`)
}
