import { defaultLimits, type Limits } from '../../../limits.ts'

/**
 * The limits of the overlay: what it keeps, waits for and sends. The unit is in the name; the others are counts.
 * HyParView's and Plumtree's own values are those of the papers' evaluation (10,000 nodes), scaled by log n.
 */
export interface OverlayLimits {
  /** Milliseconds between two calls of `tick`. */
  readonly tickMs: number

  // Links
  /** Maximum number of links. One more makes room by hanging up an unpinned link, which may be the new one. */
  readonly maxLinks: number
  /** Links that are kept without another role: those that most recently brought a new message. */
  readonly anchors: number
  /** Milliseconds after a peer's latest new message within which no newcomer takes its place. */
  readonly provenMs: number
  /** Milliseconds without use after which a link without a role is hung up. */
  readonly idleLinkMs: number
  /** Concurrent dials. */
  readonly maxDials: number
  /** Milliseconds after which a dial without an answer counts as failed. */
  readonly dialMs: number
  /** Milliseconds until a failed dial may be retried, doubled with each failure up to the last value. */
  readonly firstRetryMs: number
  readonly lastRetryMs: number
  /** Peers whose failed dials are remembered. */
  readonly maxFailedPeers: number

  // Membership
  /** Neighbours that a node looks for. */
  readonly activeView: number
  /** Neighbours that a node accepts, so that a newcomer or a healed partition displaces no neighbour. */
  readonly maxActiveView: number
  /** Known peers in reserve. */
  readonly passiveView: number
  /**
   * Hops of a join: the last node becomes a neighbour, the node at `joinPassiveHops` adds the newcomer to its passive
   * view.
   */
  readonly joinHops: number
  readonly joinPassiveHops: number
  readonly shuffleHops: number
  /** Milliseconds between two shuffles of a view, randomised from 0.5 to 1.5 times. */
  readonly shuffleMs: number
  /**
   * Milliseconds between two attempts to fill a view that lacks neighbours. In a topic's view doubled up to the last
   * value while an attempt finds nobody.
   */
  readonly fillMs: number
  readonly lastFillMs: number
  /** Milliseconds after which an unanswered neighbour request is given up. */
  readonly neighborMs: number
  /** Milliseconds between two dials to peers whose dial failed, which heal a partition. */
  readonly mendMs: number
  /**
   * Milliseconds between two links to reserve peers, which keep cliques open. Doubled each time up to the last value.
   */
  readonly firstMixMs: number
  /** The last value while most neighbours are unproven, since they may all be hostile. */
  readonly unsureMixMs: number
  readonly lastMixMs: number

  // Topics
  /** Neighbours that a subscriber looks for among the subscribers. */
  readonly topicView: number
  readonly maxTopicView: number
  /** Known subscribers in reserve, of each topic that is subscribed. */
  readonly topicPassiveView: number
  /** Subscribers that a node finds for a topic that it publishes to without being subscribed. */
  readonly fanOut: number
  /** Milliseconds after the last message for which links of such a topic are kept. */
  readonly fanOutMs: number
  /** Topics published to without being subscribed. */
  readonly maxFanOutTopics: number
  readonly seekHops: number
  /** Milliseconds between two seeks for a topic, doubled up to the last value while no subscriber is found. */
  readonly firstSeekMs: number
  readonly lastSeekMs: number
  /** Seeks of all topics: per second, and in a burst. More wait for their turn. */
  readonly seeksPerSecond: number
  readonly seeksBurst: number
  /** Neighbour requests and shuffles of all topics to one peer: per second, and in a burst. More wait for their turn. */
  readonly topicAsksPerSecond: number
  readonly topicAsksBurst: number
  /** Links to reserve peers that keep the views of topics open, of all topics: per second, and in a burst. */
  readonly topicMixesPerSecond: number
  readonly topicMixesBurst: number
  /** Subscriptions kept of one peer; those that each peer has room for, and those that all share beyond them. */
  readonly maxPeerTopics: number
  readonly ownPeerTopics: number
  readonly maxSharedPeerTopics: number
  /** Topics of others, and subscribers of each, kept to answer seeks. */
  readonly maxKnownTopics: number
  readonly maxKnownSubscribers: number
  /** Walks whose path back is kept, and the milliseconds for which it is kept. */
  readonly maxWalks: number
  readonly walkMs: number

  // Broadcast
  /** Milliseconds after an announcement until the missing message is requested. */
  readonly graftMs: number
  /** The same once a later message of the author has arrived, since those of one author take one way. */
  readonly overtakenMs: number
  /** Milliseconds until the next neighbour is asked. */
  readonly graftAgainMs: number
  /** Milliseconds in which a neighbour that brings nothing has to send an announced message that it was asked for. */
  readonly promiseMs: number
  /** Missing messages in all, and by neighbour with those that it was asked for, and holders kept for one message. */
  readonly maxMissing: number
  readonly maxPeerMissing: number
  readonly maxHolders: number
  /** Announcements waiting for one neighbour. The oldest are dropped beyond it. */
  readonly maxAnnouncements: number
  /** Milliseconds between two renewals of a used tree, and the minimum between any two renewals. */
  readonly renewMs: number
  readonly minRenewMs: number
  /** Milliseconds until a new tree is complete everywhere. Meanwhile messages are sent on the old tree too. */
  readonly settleMs: number
  /** Milliseconds for which beacons are refused from a neighbour behind which a tree has broken. */
  readonly distrustMs: number
  /** Messages after which a node can tell whether it is the middle of a topic. */
  readonly renewMessages: number
  /** Messages kept for neighbours that ask. */
  readonly cacheMs: number
  readonly maxCacheBytes: number
  readonly maxCacheMessages: number
  /** Messages that a new neighbour is told of: their maximum age in milliseconds, and their number. */
  readonly recapMs: number
  readonly maxRecap: number
  /** Milliseconds for which single ids are kept. Then all ids of the author up to it count as seen. */
  readonly seenMs: number
  readonly maxSeen: number
  /** Authors (of a topic) whose last expired sequence number is kept. */
  readonly maxSeenAuthors: number

  // Scores
  /** Points at which a peer is hung up, and the milliseconds for which it is then avoided. */
  readonly maxPenalty: number
  readonly avoidMs: number
  /** Half-life of points, in milliseconds. */
  readonly penaltyHalfLifeMs: number
  readonly maxScoredPeers: number
  /** Control frames of one link: per second, and in a burst. */
  readonly controlFramesPerSecond: number
  readonly controlFramesBurst: number
  /** Walks (joins, shuffles, seeks) accepted from one link: per second, and in a burst. */
  readonly walksPerSecond: number
  readonly walksBurst: number
}

/** The values in force unless the host sets others. */
export const defaultOverlayLimits: OverlayLimits = {
  tickMs: 100, // below a round trip between continents, so that announcing in batches costs no time that counts

  maxLinks: 100, // five for membership, and room for the views of some 20 topics without a subscriber in common
  anchors: 5, // as a view
  provenMs: 600_000, // a topic with a message in ten minutes keeps those who bring it
  idleLinkMs: 20_000, // long enough to find a role, short enough that strangers do not fill the places
  maxDials: 8, // a handshake is a few signatures; more at once would stall a small machine
  dialMs: 15_000, // longer than the host's own time-out (dialTimeoutMs)
  firstRetryMs: 2_000, // a restart
  lastRetryMs: 300_000, // a peer that is gone costs one dial in five minutes
  maxFailedPeers: 500, // about 200 bytes each

  activeView: 5, // HyParView: log10(n) + 1
  maxActiveView: 8,
  passiveView: 30, // HyParView: 6 × the active view
  joinHops: 6, // HyParView: ARWL
  joinPassiveHops: 3, // HyParView: PRWL
  shuffleHops: 3,
  shuffleMs: 20_000,
  fillMs: 1_000,
  lastFillMs: 10_000, // ten thousand topics that nobody else has are looked at a thousand a second
  neighborMs: 5_000,
  mendMs: 30_000, // two halves of 100 nodes make three attempts a second
  firstMixMs: 10_000,
  unsureMixMs: 30_000, // two dials a minute
  lastMixMs: 600_000, // seldom: a tree does not make use of new links by itself

  topicView: 5, // as the active view: the subscribers are a network of their own
  maxTopicView: 8,
  topicPassiveView: 30,
  fanOut: 3, // as many as a message survives two failures with
  fanOutMs: 60_000,
  maxFanOutTopics: 200,
  seekHops: 6,
  firstSeekMs: 1_000,
  lastSeekMs: 30_000,
  seeksPerSecond: 5, // half of what a neighbour accepts (walksPerSecond), so that shuffles and the walks of others have room
  seeksBurst: 100,
  topicAsksPerSecond: 3, // with the seeks, less than what a neighbour accepts (walksPerSecond)
  topicAsksBurst: 60,
  topicMixesPerSecond: 1,
  topicMixesBurst: 20,
  maxPeerTopics: defaultLimits.maxPeerTopics,
  ownPeerTopics: defaultLimits.ownPeerTopics,
  maxSharedPeerTopics: defaultLimits.maxSharedPeerTopics,
  maxKnownTopics: 500,
  maxKnownSubscribers: 8,
  maxWalks: 1_000,
  walkMs: 10_000,

  graftMs: 2_000, // the time a message takes from one end of the tree to the other, so that few come twice
  overtakenMs: 300, // so long a message may be on its way while the tree changes
  graftAgainMs: 1_000,
  promiseMs: 30_000, // as long as neighbours keep a message (cacheMs): what waits in a full link takes its time
  maxMissing: 20_000,
  maxPeerMissing: 5_000,
  maxHolders: 32, // asked within five rounds, as twice as many are asked each time
  maxAnnouncements: 4_096, // eight full frames
  renewMs: 60_000, // a beacon is some 50 bytes on each link
  minRenewMs: 20_000,
  settleMs: 3_000, // a beacon's way through the network, and what was on its way
  distrustMs: 600_000, // ten renewals: a hostile root makes few of them useless
  renewMessages: 16,
  cacheMs: 30_000, // 10 × the time in which the last neighbour is asked
  maxCacheBytes: 33_554_432,
  maxCacheMessages: 50_000,
  recapMs: 10_000, // a link that broke is noticed and replaced within it
  maxRecap: 512, // one frame
  seenMs: 120_000, // 4 × cacheMs: nobody can ask for older ones
  maxSeen: 200_000, // about 150 bytes each
  maxSeenAuthors: 20_000, // about 200 bytes each

  maxPenalty: 100, // ten forged messages
  avoidMs: 600_000,
  penaltyHalfLifeMs: 60_000,
  maxScoredPeers: 1_000,
  controlFramesPerSecond: 2_500, // 200 common topics, each announced in every tick; what is in them is counted on the link (frame-prices.ts)
  controlFramesBurst: 10_000,
  walksPerSecond: 10,
  walksBurst: 200, // a bootstrap peer sees everyone start at once
}

/** The values in force at a gateway with these limits. */
export function overlayLimitsFor(limits: Limits): OverlayLimits {
  const { maxConnections, maxPeerTopics, ownPeerTopics, maxSharedPeerTopics } = limits
  const maxLinks = Math.min(defaultOverlayLimits.maxLinks, maxConnections)
  return { ...defaultOverlayLimits, maxLinks, maxPeerTopics, ownPeerTopics, maxSharedPeerTopics }
}
