import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { type GossipSub, gossipsub } from '@libp2p/gossipsub'
import { type Identify, identify, identifyPush } from '@libp2p/identify'
import type { ConnectionGater, Libp2p } from '@libp2p/interface'
import { mdns } from '@libp2p/mdns'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import type { Datastore } from 'interface-datastore'
import { createLibp2p } from 'libp2p'
import type { Limits } from '../../limits.ts'
import { sequenceBytes } from '../../model/signed-message.ts'
import type { DialPolicy } from '../dial-policy.ts'
import { guardTransport } from './guarded-transport.ts'

export type Node = Libp2p<{ pubsub: GossipSub; identify: Identify; ping: Ping }>

export interface NodeInit {
  seed: Uint8Array
  listen: string[]
  announce: string[]
  mdns: boolean
  /** Only nodes with the same one find each other by mDNS; libp2p's own by default. */
  mdnsServiceTag?: string | undefined
  agent: string
  limits: Limits
}

export interface NodeComponents {
  policy: DialPolicy
  gater: ConnectionGater
  datastore: Datastore
}

/** Peers of one RPC field that are still decoded; what is beyond is dropped with the RPC. */
const rpcLimits = {
  maxSubscriptions: 1_000,
  maxMessages: 5_000,
  maxIhaveMessageIDs: 5_000,
  maxIwantMessageIDs: 5_000,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 5_000,
  maxPeerInfos: 16,
}

/** A libp2p node, not started, with every limit set: several defaults are unbounded. */
export async function createNode(init: NodeInit, components: NodeComponents): Promise<Node> {
  const { limits } = init
  const { policy, gater, datastore } = components
  return await createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', init.seed),
    nodeInfo: { userAgent: init.agent },
    addresses: { listen: init.listen, announce: init.announce },
    datastore,
    connectionGater: gater,
    connectionManager: {
      maxConnections: limits.maxConnections,
      inboundConnectionThreshold: limits.maxInboundConnectionsPerAddress,
      maxIncomingPendingConnections: 50,
      maxParallelDials: 50,
      maxDialQueueLength: 500,
      dialTimeout: limits.dialTimeoutMs,
    },
    connectionMonitor: { pingTimeout: { maxTimeout: limits.pingTimeoutMs } },
    transports: [
      guardTransport(tcp({ dialOpts: { noDelay: true }, listenOpts: { noDelay: true } }), policy),
      guardTransport(webSockets(), policy),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        maxInboundStreams: limits.maxStreamsPerConnection,
        maxOutboundStreams: limits.maxStreamsPerConnection,
        streamOptions: {
          maxStreamWindowSize: limits.maxStreamBufferBytes,
          // A sender that keeps to its window never has more than that unread here.
          maxReadBufferLength: 2 * limits.maxStreamBufferBytes,
          maxWriteBufferLength: 2 * limits.maxPubsubBufferBytes,
        },
      }),
    ],
    peerDiscovery: init.mdns ? [mdns(init.mdnsServiceTag === undefined ? {} : { serviceTag: init.mdnsServiceTag })] : [],
    services: {
      identify: identify(),
      identifyPush: identifyPush(),
      ping: ping({ timeout: limits.pingTimeoutMs }),
      pubsub: gossipsub({
        emitSelf: false,
        allowPublishToZeroTopicPeers: true,
        msgIdFn,
        maxInboundDataLength: frameBytes(limits),
        maxOutboundBufferSize: limits.maxPubsubBufferBytes,
        maxTopicBytesPerPeer: limits.maxPeerSubscriptionBytes,
        decodeRpcLimits: rpcLimits,
        // Many honest peers share an address: a network behind one router, or several gateways on a host.
        scoreParams: { IPColocationFactorWeight: 0 },
      }),
    },
  })
}

/** One RPC: several messages, or one of the largest size, and what stands around them. */
function frameBytes(limits: Limits): number {
  return Math.max(4_194_304, 2 * limits.maxMessageBytes)
}

/** `from` and the 8 bytes of the sequence number, as go-libp2p has it; the default of js gossipsub differs, and the two lose gossip between them. */
function msgIdFn(message: Parameters<NonNullable<Parameters<typeof gossipsub>[0]>['msgIdFn'] & object>[0]): Uint8Array {
  if (message.type !== 'signed') throw new Error('only signed messages have an id')
  return Buffer.concat([message.from.toMultihash().bytes, sequenceBytes(message.sequenceNumber)])
}
