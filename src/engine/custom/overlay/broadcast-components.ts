import type { OverlayFrame } from './frames.ts'
import type { Envelope } from './overlay.ts'
import type { Offence } from './scores.ts'

/** What the broadcast needs of the rest of the overlay. */
export interface BroadcastComponents {
  now(): number
  random(): number
  send(peerId: string, frame: OverlayFrame): boolean
  isLinked(peerId: string): boolean
  isSubscribed(topic: string): boolean
  subscribers(topic: string): ReadonlySet<string>
  /** See OverlayComponents. */
  onMessage(envelope: Envelope, from: string): boolean
  /** See OverlayComponents. */
  onAnnounced(peerId: string, ids: string[]): void
  /** See OverlayComponents. */
  onMissed(peerId: string, ids: string[]): void
  offence(peerId: string, offence: Offence): void
  used(peerId: string): void
  /** The peer has brought a new message that was accepted. */
  brought(peerId: string): void
  /** When it last did. */
  broughtAt(peerId: string): number | undefined
  /** The doubt about a peer's announcements. Peers with less doubt are asked first. */
  doubt(peerId: string): number
}
