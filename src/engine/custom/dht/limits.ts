/** What the DHT keeps, waits for and asks at most. The unit is in the name, or it is a number of what is named. */
export interface DhtNodeLimits {
  /** Peers in a bucket, in an answer, and that a record is stored at (Kademlia's k). */
  readonly k: number
  /** Paths of a lookup, none of which asks a peer of another one (S/Kademlia, Baumgart and Mies 2007). */
  readonly paths: number
  /** Peers asked at once on a path. */
  readonly askedAtOnce: number
  /** The closest peers of a path that have to have answered before it ends. */
  readonly pathWidth: number
  /** Peers that a path keeps in mind. */
  readonly maxCandidates: number
  /** Peers of one public network (/24, /48) in a bucket. */
  readonly maxPerNetwork: number
  /** Peers in reserve for a bucket. */
  readonly maxReserve: number
  /** A peer that did not answer so many times in a row gives way. */
  readonly maxFailures: number
  /** Addresses of a peer in an answer. */
  readonly maxAddresses: number
  /** Providers in an answer. */
  readonly maxProviders: number
  /** A value is forgotten so many milliseconds after it was put, a provider after it said so. */
  readonly valueMs: number
  readonly providerMs: number
  /** What is kept is told again to those closest to it. */
  readonly republishMs: number
  /** What this node provides it says again. */
  readonly provideMs: number
  /** A bucket that saw nothing for so long is looked up. */
  readonly refreshMs: number
  /** Contents that this node provides. */
  readonly maxProvided: number
  /** Requests of one peer: a second, and at once. */
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
