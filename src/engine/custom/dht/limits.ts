/** The limits of the DHT: what it keeps, waits for and asks. The unit is in the name; the others are counts. */
export interface DhtNodeLimits {
  /** Peers in a bucket, in an answer, and that a record is stored at (Kademlia's k). */
  readonly k: number
  /** Disjoint paths of a lookup (S/Kademlia, Baumgart and Mies 2007). */
  readonly paths: number
  /** Peers asked at once on a path. */
  readonly askedAtOnce: number
  /** A path ends when this number of its closest peers have answered. */
  readonly pathWidth: number
  /** Candidates that a path keeps. */
  readonly maxCandidates: number
  /** Peers of one public network (/24, /48) in a bucket. */
  readonly maxPerNetwork: number
  /** Peers in reserve for a bucket. */
  readonly maxReserve: number
  /** Consecutive failures after which a peer leaves its bucket. */
  readonly maxFailures: number
  /** Addresses of a peer in an answer. */
  readonly maxAddresses: number
  /** Providers in an answer. */
  readonly maxProviders: number
  /** Milliseconds after which a value expires since it was put, and a provider since its announcement. */
  readonly valueMs: number
  readonly providerMs: number
  /** Milliseconds after which a kept value is sent again to the peers closest to it. */
  readonly republishMs: number
  /** Milliseconds after which this node announces again the contents that it provides. */
  readonly provideMs: number
  /** Milliseconds without a lookup after which a bucket is refreshed. */
  readonly refreshMs: number
  /** Contents that this node provides. */
  readonly maxProvided: number
  /** Rate of the requests of one peer: per second, and in a burst. */
  readonly requestsPerSecond: number
  readonly requestsBurst: number
}

export const defaultDhtLimits: DhtNodeLimits = {
  k: 20, // Kademlia: so many do not all go within an hour
  paths: 3,
  askedAtOnce: 2,
  pathWidth: 8, // 24 in all, so that the k closest are among them
  maxCandidates: 100,
  maxPerNetwork: 2, // who has one network does not fill a bucket
  maxReserve: 10,
  maxFailures: 2,
  maxAddresses: 8,
  maxProviders: 20,
  valueMs: 48 * 3_600_000,
  providerMs: 24 * 3_600_000,
  republishMs: 3_600_000,
  provideMs: 12 * 3_600_000, // twice in the life of what it says
  refreshMs: 600_000,
  maxProvided: 1_000,
  requestsPerSecond: 100,
  requestsBurst: 500, // a lookup asks each peer once
}
