import type { SignedMessage } from '../model/signed-message.ts'

/**
 * Connected peers that had no room for a message, or may have lost one with a stream (`peer:behind`). `send` hands them
 * nothing, and nothing is forwarded to them, until they have been handed everything that they missed.
 */
export interface Stragglers {
  /** Makes a connected peer a straggler, although it was handed everything: its user has earlier messages for it. */
  hold(peerId: string): void
  /** Whether the peer has considerable room; `peer:room` is emitted when it does. Cheap to call. */
  hasRoom(peerId: string): boolean
  /**
   * Hands messages of any author to a straggler, in the given order, and skips those of topics that it has not joined.
   * Returns the number of messages, counted from the first, that were handed or skipped. The peer had no room for the
   * rest; `peer:room` is emitted when it has.
   */
  send(peerId: string, messages: SignedMessage[]): Promise<number>
  /**
   * Marks that the peer was handed everything, so that it is no longer a straggler. Returns false when a message was
   * kept from the peer since the last call; it then remains a straggler.
   */
  settle(peerId: string): boolean
  /**
   * Whether the topic has subscribers and all of them, this message's author aside, take only smaller messages, so that
   * nobody is handed it, now or later. Cheap to call.
   */
  isTooLarge(message: SignedMessage): boolean
  /**
   * For each peer that does not read this node's log for missed messages, straggler or not: the id of the first message
   * that was handed to its link and has not left this node. The message is lost if the process ends now.
   */
  unsent(): string[]
}
