/**
 * What the overlay keeps, waits for and sends at most. The unit is in the name, or it is a number of what is named.
 * HyParView's and Plumtree's own values are those of the papers' evaluation (10,000 nodes), scaled by log n.
 */
export interface OverlayLimits {
  /** Milliseconds between two calls of `tick`. */
  readonly tickMs: number

  // Links
  /** Links in all; one more makes room by hanging up a link without a role, or is hung up itself. Pinned links are not counted out. */
  readonly maxLinks: number
  /** Links that are kept without another role, those that have brought something last. */
  readonly anchors: number
  /** Milliseconds since a peer last brought a new message, within which it gives its place to no newcomer. */
  readonly provenMs: number
  /** A link without a role is hung up after so many milliseconds without use. */
  readonly idleLinkMs: number
  /** Dials under way. */
  readonly maxDials: number
  /** A dial without an answer counts as failed after so many milliseconds. */
  readonly dialMs: number
  /** After a failed dial the peer is left alone for so long, doubled with each failure up to the last value. */
  readonly firstRetryMs: number
  readonly lastRetryMs: number
  /** Peers whose failed dials are remembered. */
  readonly maxFailedPeers: number

  // Membership
  /** Neighbours that a node looks for. */
  readonly activeView: number
  /** Neighbours that it accepts, so that a newcomer's wish or a mended partition drops nobody. */
  readonly maxActiveView: number
  /** Known peers in reserve. */
  readonly passiveView: number
  /** Hops of a join: where the walk ends the newcomer gets a neighbour, on the way into passive views. */
  readonly joinHops: number
  readonly joinPassiveHops: number
  readonly shuffleHops: number
  /** Between two shuffles of a view, in milliseconds, spread over half to one and a half of it. */
  readonly shuffleMs: number
  /** Between two looks for a free place in a view that lacks neighbours. */
  readonly fillMs: number
  /** An unanswered wish to be neighbours is given up. */
  readonly neighborMs: number
  /** Between two dials to peers whose dial failed, to mend a network that was parted. */
  readonly mendMs: number
  /** Between two links to a peer of the reserve, so that no clique closes itself; doubled each time up to the last value. */
  readonly firstMixMs: number
  /** The last value while most neighbours have not proven themselves: they may all be liars. */
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
  /** Links for such a topic are kept for so long after the last message. */
  readonly fanOutMs: number
  /** Topics published to without being subscribed. */
  readonly maxFanOutTopics: number
  readonly seekHops: number
  /** Between two seeks for a topic, doubled while nobody is found up to the last value. */
  readonly firstSeekMs: number
  readonly lastSeekMs: number
  /** Subscriptions kept of one peer. */
  readonly maxPeerTopics: number
  /** Topics of others, and subscribers of each, kept to answer seeks. */
  readonly maxKnownTopics: number
  readonly maxKnownSubscribers: number
  /** Walks whose way back is remembered, in all, and for how many milliseconds. */
  readonly maxWalks: number
  readonly walkMs: number

  // Broadcast
  /** A message that a neighbour announced is asked for when it has not come for so many milliseconds. */
  readonly graftMs: number
  /** The next neighbour is asked after so many more. */
  readonly graftAgainMs: number
  /** Announced messages that are waited for: in all, of one neighbour; and neighbours that are remembered to have one. */
  readonly maxMissing: number
  readonly maxPeerMissing: number
  readonly maxHolders: number
  /** Announcements waiting for one neighbour; beyond it the oldest are forgotten. */
  readonly maxAnnouncements: number
  /** A tree that is in use is renewed so often, and never sooner after a renewal than the second; in milliseconds. */
  readonly renewMs: number
  readonly minRenewMs: number
  /** How long a new tree takes to stand everywhere; messages go along the old one too meanwhile. */
  readonly settleMs: number
  /** How long a neighbour is not followed that a tree has broken behind. */
  readonly distrustMs: number
  /** Messages that show where the middle of a topic is. */
  readonly renewMessages: number
  /** Messages waiting for their verdict. */
  readonly maxPendingMessages: number
  readonly maxPendingBytes: number
  /** The same of one topic. */
  readonly maxTopicPendingMessages: number
  readonly maxTopicPendingBytes: number
  /** Messages kept for neighbours that ask. */
  readonly cacheMs: number
  readonly maxCacheBytes: number
  readonly maxCacheMessages: number
  /** A new neighbour is told of the messages of so many last milliseconds. */
  readonly recapMs: number
  readonly maxRecap: number
  /** Ids are kept one by one for so long; then all of their author's up to there count as seen. */
  readonly seenMs: number
  readonly maxSeen: number
  /** Authors (of a topic) whose last expired sequence number is kept. */
  readonly maxSeenAuthors: number

  // Scores
  /** Points at which a peer is hung up, and how long it is avoided. */
  readonly maxPenalty: number
  readonly avoidMs: number
  /** Points halve in so many milliseconds. */
  readonly penaltyHalfLifeMs: number
  readonly maxScoredPeers: number
  /** Control frames of one link: per second, and at once. */
  readonly controlFramesPerSecond: number
  readonly controlFramesBurst: number
  /** Walks (joins, shuffles, seeks) taken on from one link: per second, and at once. */
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
  maxPeerTopics: 1_000, // what js-libp2p peers announce at most
  maxKnownTopics: 500,
  maxKnownSubscribers: 8,
  maxWalks: 1_000,
  walkMs: 10_000,

  graftMs: 2_000, // the time a message takes from one end of the tree to the other, so that few come twice
  graftAgainMs: 1_000,
  maxMissing: 20_000,
  maxPeerMissing: 5_000,
  maxHolders: 32, // asked within five rounds, as twice as many are asked each time
  maxAnnouncements: 4_096, // eight full frames
  renewMs: 60_000, // a beacon is some 50 bytes on each link
  minRenewMs: 20_000,
  settleMs: 3_000, // a beacon's way through the network, and what was on its way
  distrustMs: 600_000, // ten renewals: a hostile root makes few of them useless
  renewMessages: 16,
  maxPendingMessages: 40_000,
  maxPendingBytes: 67_108_864, // the host's inbox
  maxTopicPendingMessages: 20_000, // what the host's inbox has room for, and as many that are being verified
  maxTopicPendingBytes: 16_777_216, // the host's inbox of a topic
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
