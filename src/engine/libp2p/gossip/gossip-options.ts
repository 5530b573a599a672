import type { GossipsubOpts, Message } from '@libp2p/gossipsub'
import type { PeerScoreParams, PeerScoreThresholds, TopicScoreParams } from '@libp2p/gossipsub/score'
import type { Limits } from '../../../limits.ts'
import { sequenceBytes } from '../../../model/signed-message.ts'
import { isPublicAddress } from '../../dial/policy.ts'
import { messageOverheadBytes } from '../transport/bounded-muxer.ts'

/** Every setting of gossipsub that bounds something, or that decides who hears what. */
export function gossipOptions(limits: Limits): Partial<GossipsubOpts> {
  return {
    globalSignaturePolicy: 'StrictSign',
    msgIdFn,
    emitSelf: false,
    // Over relays too.
    runOnLimitedConnection: true,
    allowPublishToZeroTopicPeers: true,
    // To every subscribed neighbour: a message right after a subscription would otherwise meet a mesh that is not there yet.
    floodPublish: true,
    // Nobody is told of other peers, and nobody's word for them is taken (acceptPXThreshold): learnt addresses have no use yet.
    doPX: false,
    seenTTL: 120_000,
    // A message counts as delivered when its verdict is in, so a promise to deliver one must outlast the wait for a verdict.
    gossipsubIWantFollowupMs: 3_000 + limits.validateTimeoutMs,
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

/** One RPC: js peers answer a request for messages with one frame of all of them; 4 MiB is what they take themselves. */
function maxFrameBytes(limits: Limits): number {
  return Math.max(4_194_304, 2 * limits.maxMessageBytes)
}

/** Elements of an RPC's fields; an RPC with more is dropped. Real peers stay below: nim-libp2p, with most, announces 1,024 topics. */
const decodeRpcLimits = {
  maxSubscriptions: 2_000,
  maxMessages: 5_000,
  maxIhaveMessageIDs: 5_000,
  maxIwantMessageIDs: 5_000,
  maxIdontwantMessageIDs: 512,
  maxControlMessages: 2_000,
  maxPeerInfos: 16,
}

/** Peers of a network behind one router, or on one host, share an address honestly: only public addresses are held against peers. */
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
  // One broken promise a heartbeat is what an honest js peer with ids of its own makes; more of them count squared.
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
  // Above the cap of topics, so that nobody reaches it.
  acceptPXThreshold: 1_000,
  opportunisticGraftThreshold: 5,
}

/**
 * How a topic's messages count. Quiet topics are normal here, so nothing is asked of a mesh peer's deliveries (P3); invalid messages count
 * squared (P4): nine at once, more than any honest fault makes, and the peer is not listened to until they have faded.
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

/** `from` and the 8 bytes of the sequence number, as go-libp2p has it; the default of js gossipsub differs, and the two lose gossip between them. */
function msgIdFn(message: Message): Uint8Array {
  if (message.type !== 'signed') throw new Error('only signed messages have an id')
  return Buffer.concat([message.from.toMultihash().bytes, sequenceBytes(message.sequenceNumber)])
}
