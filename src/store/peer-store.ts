import type { AddressSource, KnownAddress } from '../model/peer.ts'

export interface PeerStore {
  /** By peer id, those after the id `after`. */
  list(query: { after?: string; limit: number; blocked?: boolean; peerIds?: string[] }): Promise<PeerRecord[]>
  get(peerId: string): Promise<PeerRecord | undefined>
  /**
   * Notes what was learnt. A new peer is added; of a known one, agent and protocols are replaced where given, `lastSeen` never goes
   * back, and addresses are joined with those known: the newest 16 stay, and an address keeps the most trusted source it was learnt by
   * (`configured`, `rest`, `mdns`, `learnt`, in this order).
   */
  save(sightings: PeerSighting[]): Promise<void>
  /** Sets what the operator says about a peer, known or not; answers the record. */
  annotate(peerId: string, annotation: { label?: string | null; blocked?: boolean }): Promise<PeerRecord>
  /** Removes the record; answers false when there was none. */
  forget(peerId: string): Promise<boolean>
  /**
   * Forgets peers that are neither labelled nor blocked nor among `keep`, at most `limit`: those that were last seen before `seenBefore` (age time), and
   * the longest unseen of what is more than `max`; answers how many.
   */
  forgetUnseen(query: { seenBefore: number; max: number; keep: string[]; limit: number }): Promise<number>
}

export interface PeerSighting {
  peerId: string
  multiaddrs: string[]
  source: AddressSource
  /** Milliseconds since 1970. */
  seenAt: number
  /** The same in age time; `seenAt` by default. */
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
