import type { OverlayLimits } from './limits.ts'
import type { Envelope } from './overlay.ts'

/** A message that waits for its verdict. */
export interface PendingMessage {
  readonly envelope: Envelope
  readonly from: string
  readonly hops: number
  readonly spare: boolean
  /** Neighbours that have sent or announced it meanwhile, and so need no copy. */
  readonly holders: Set<string>
  /** Neighbours that have sent further copies. They are pruned once the verdict proves the first copy genuine. */
  readonly senders: Set<string>
}

/**
 * Messages that wait for their verdict. Bounded by number and bytes, per topic and in all, so that a slow topic leaves
 * room for others.
 */
export interface Pending {
  get(id: string): PendingMessage | undefined
  /** False when there is no room. */
  add(message: PendingMessage): boolean
  take(id: string): PendingMessage | undefined
  readonly size: number
  readonly bytes: number
}

export function createPending(init: { limits: OverlayLimits }): Pending {
  const { limits } = init
  const messages = new Map<string, PendingMessage>()
  const byTopic = new Map<string, { messages: number; bytes: number }>()
  let bytes = 0

  function count({ topic, bytes: { length } }: Envelope, by: 1 | -1): void {
    const before = byTopic.get(topic) ?? { messages: 0, bytes: 0 }
    const after = { messages: before.messages + by, bytes: before.bytes + by * length }
    if (after.messages === 0) byTopic.delete(topic)
    else byTopic.set(topic, after)
    bytes += by * length
  }

  function fits({ topic, bytes: { length } }: Envelope): boolean {
    const own = byTopic.get(topic) ?? { messages: 0, bytes: 0 }
    if (own.messages >= limits.maxTopicPendingMessages || own.bytes + length > limits.maxTopicPendingBytes) return false
    return messages.size < limits.maxPendingMessages && bytes + length <= limits.maxPendingBytes
  }

  return {
    get: (id) => messages.get(id),
    add(message) {
      if (!fits(message.envelope)) return false
      messages.set(message.envelope.id, message)
      count(message.envelope, 1)
      return true
    },
    take(id) {
      const message = messages.get(id)
      if (message === undefined) return undefined
      messages.delete(id)
      count(message.envelope, -1)
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
