import type { AddressSource, KnownAddress } from '../model/peer.ts'

export interface PeerStore {
  /** Peers in order of peer id, after the id `after`. */
  list(query: { after?: string; limit: number; blocked?: boolean; peerIds?: string[] }): Promise<PeerRecord[]>
  get(peerId: string): Promise<PeerRecord | undefined>
  /**
   * Stores sightings. A new peer is added. For a known one, agent and protocols are replaced where given, `lastSeen`
   * never goes back, and addresses are merged: the newest 16 stay, and an address keeps the most trusted source that it
   * was learnt from (`configured`, `rest`, `mdns`, `learnt`, in this order).
   */
  save(sightings: PeerSighting[]): Promise<void>
  /** Sets the operator's label and block of a peer, known or not; returns the record. */
  annotate(peerId: string, annotation: { label?: string | null; blocked?: boolean }): Promise<PeerRecord>
  /** Counts the peers that have a label or a block, at most `max`. */
  countAnnotated(max: number): Promise<number>
  /** Removes the record; false when there was none. */
  forget(peerId: string): Promise<boolean>
  /**
   * Removes peers that are neither labelled nor blocked nor among `keep`, at most `limit`: those last seen before
   * `seenBefore` (age time), and the longest unseen ones beyond `max`. Returns how many.
   */
  forgetUnseen(query: { seenBefore: number; max: number; keep: string[]; limit: number }): Promise<number>
}

export interface PeerSighting {
  peerId: string
  multiaddrs: string[]
  source: AddressSource
  /** Milliseconds since 1970. */
  seenAt: number
  /** `seenAt` in age time. Default: `seenAt`. */
  seenAge?: number
  agent?: string
  protocols?: string[]
}

export interface PeerRecord {
  peerId: string
  /** Most recently seen first. */
  addresses: KnownAddress[]
  agent: string | null
  protocols: string[]
  label: string | null
  blocked: boolean
  /** Milliseconds since 1970. */
  firstSeen: number
  lastSeen: number
}
