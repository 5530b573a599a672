import type { GossipsubOpts, Message } from '@libp2p/gossipsub'
import type { PeerScoreParams, PeerScoreThresholds, TopicScoreParams } from '@libp2p/gossipsub/score'
import type { Limits } from '../../../limits.ts'
import { sequenceBytes } from '../../../model/signed-message.ts'
import { isPublicAddress } from '../../dial/policy.ts'
import { messageOverheadBytes } from '../transport/bounded-muxer.ts'

/** All gossipsub settings that bound something or decide which peer receives what. */
export function gossipOptions(limits: Limits): Partial<GossipsubOpts> {
  return {
    globalSignaturePolicy: 'StrictSign',
    msgIdFn,
    emitSelf: false,
    // Relayed links carry gossip, too.
    runOnLimitedConnection: true,
    allowPublishToZeroTopicPeers: true,
    // Own messages go to every subscribed neighbour: right after a subscription there is no mesh yet.
    floodPublish: true,
    // No peer exchange in either direction (acceptPXThreshold): learnt addresses have no use yet.
    doPX: false,
    seenTTL: 120_000,
    // A message counts as delivered once it has a verdict, so a promise must outlast the wait for the verdict, also where
    // it waits for earlier messages of its author (log/author-order.ts).
    gossipsubIWantFollowupMs: 3_000 + limits.requestTimeoutMs + limits.validateTimeoutMs,
    // One stream at a time carries a peer's gossip; another may open while the last one closes.
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    maxInboundDataLength: maxFrameBytes(limits),
    maxOutboundBufferSize: Math.max(limits.maxPubsubBufferBytes, limits.maxMessageBytes + messageOverheadBytes),
    maxTopicBytesPerPeer: limits.maxPeerSubscriptionBytes,
    decodeRpcLimits,
    scoreParams,
    scoreThresholds,
  }
}

/** Maximum size of an RPC: js peers answer a request for messages with one frame, and take 4 MiB themselves. */
function maxFrameBytes(limits: Limits): number {
  return Math.max(4_194_304, 2 * limits.maxMessageBytes)
}

/**
 * Maximum elements of an RPC's fields; a larger RPC is dropped. Real peers stay below: nim-libp2p, with most, announces
 * 1,024 topics.
 */
const decodeRpcLimits = {
  maxSubscriptions: 2_000,
  maxMessages: 5_000,
  maxIhaveMessageIDs: 5_000,
  maxIwantMessageIDs: 5_000,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 2_000,
  maxPeerInfos: 16,
}

/**
 * Exempts shared addresses that are not public: peers behind one router, or on one host, share an address legitimately.
 */
class SharedAddresses extends Set<string> {
  override has(ip: string): boolean {
    return !isPublicAddress(ip)
  }
}

const scoreParams: Partial<PeerScoreParams> = {
  topicScoreCap: 50,
  IPColocationFactorWeight: -5,
  IPColocationFactorThreshold: 10,
  IPColocationFactorWhitelist: new SharedAddresses(),
  // An honest js peer with its own message ids breaks one promise per heartbeat; more of them count squared.
  behaviourPenaltyWeight: -1,
  behaviourPenaltyThreshold: 6,
  behaviourPenaltyDecay: 0.5,
  decayInterval: 1_000,
  decayToZero: 0.1,
  retainScore: 3_600_000,
}

const scoreThresholds: PeerScoreThresholds = {
  gossipThreshold: -10,
  publishThreshold: -50,
  graylistThreshold: -80,
  // Above the cap of topic scores, so no peer reaches it.
  acceptPXThreshold: 1_000,
  opportunisticGraftThreshold: 5,
}

/**
 * How a topic's messages affect the score. Quiet topics are normal here, so mesh deliveries are not required (P3).
 * Invalid messages count squared (P4): nine at once, more than any honest fault makes, silence the peer until they
 * decay.
 */
export const topicScoreParams: TopicScoreParams = {
  topicWeight: 1,
  timeInMeshWeight: 0.01,
  timeInMeshQuantum: 1_000,
  timeInMeshCap: 300,
  firstMessageDeliveriesWeight: 0.1,
  firstMessageDeliveriesDecay: 0.9,
  firstMessageDeliveriesCap: 100,
  meshMessageDeliveriesWeight: 0,
  meshMessageDeliveriesDecay: 0.5,
  meshMessageDeliveriesCap: 1,
  meshMessageDeliveriesThreshold: 1,
  meshMessageDeliveriesWindow: 10,
  meshMessageDeliveriesActivation: 5_000,
  meshFailurePenaltyWeight: 0,
  meshFailurePenaltyDecay: 0.5,
  invalidMessageDeliveriesWeight: -1,
  invalidMessageDeliveriesDecay: 0.97,
}

/**
 * The message id of go-libp2p: `from` and the 8 bytes of the sequence number. The default of js gossipsub differs, and
 * peers with different ids lose gossip between them.
 */
function msgIdFn(message: Message): Uint8Array {
  if (message.type !== 'signed') throw new Error('only signed messages have an id')
  return Buffer.concat([message.from.toMultihash().bytes, sequenceBytes(message.sequenceNumber)])
}
