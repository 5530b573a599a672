import type { OverlayLimits } from './limits.ts'
import type { Envelope } from './overlay.ts'

/** A message that waits for its verdict. */
export interface PendingMessage {
  readonly envelope: Envelope
  readonly from: string
  readonly hops: number
  readonly spare: boolean
  /** Neighbours that have sent or announced it meanwhile: they need not be sent it. */
  readonly holders: Set<string>
  /** Those that have sent it; which of the copies was the true one is known with the verdict. */
  readonly senders: Set<string>
}

/** Messages that wait for their verdict, bounded by number and bytes. */
export interface Pending {
  get(id: string): PendingMessage | undefined
  /** False when there is no room. */
  add(message: PendingMessage): boolean
  take(id: string): PendingMessage | undefined
  readonly size: number
  readonly bytes: number
}

export function createPending(init: { limits: OverlayLimits }): Pending {
  const messages = new Map<string, PendingMessage>()
  let bytes = 0

  return {
    get: (id) => messages.get(id),
    add(message) {
      const { length } = message.envelope.bytes
      if (messages.size >= init.limits.maxPendingMessages || bytes + length > init.limits.maxPendingBytes) return false
      messages.set(message.envelope.id, message)
      bytes += length
      return true
    },
    take(id) {
      const message = messages.get(id)
      if (message === undefined) return undefined
      messages.delete(id)
      bytes -= message.envelope.bytes.length
      return message
    },
    get size() {
      return messages.size
    },
    get bytes() {
      return bytes
    },
  }
}
