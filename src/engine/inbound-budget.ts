import { createShares } from '../lib/shares.ts'
import type { Limits } from '../limits.ts'

/**
 * The room for messages from the network, on either engine. A message is counted once, from the moment it was read
 * until its verdict is there: while it is being verified to its link (reading.ts), since its author may be forged, then
 * to its author and its topic.
 */
export interface InboundBudget {
  /**
   * Counts a message that was read. Undefined when there is no room; nothing is counted then.
   * @param onVerified is called with the counted bytes when the message no longer is being verified
   */
  enter(dataBytes: number, onVerified: (bytes: number) => void): InboundMessage | undefined
  /** Whether there is room for more messages to be verified. */
  readonly canVerify: boolean
  /** Number of messages that found no room. */
  readonly refused: number
}

/** A message that is being verified. Disposing of it releases its bytes, unless it was admitted. */
export interface InboundMessage extends Disposable {
  /** Its data, and what it costs in addition. */
  readonly bytes: number
  /**
   * Counts the message, now verified, to its author and its topic until the result is disposed of. Undefined when it
   * exceeds the share of either; it then counts no longer. Called once.
   */
  admit(author: string, topic: string): Disposable | undefined
}

export type InboundBudgetLimits = Pick<Limits, 'maxInboxBytes' | 'maxTopicInboxBytes'>

/** Memory cost of a message in addition to its data, in bytes. */
const overheadBytes = 512

/** Maximum messages. Small ones take up to 2 KiB more than they count. */
const maxMessages = 40_000

/** Maximum bytes of all links that are being verified: about a second of work. */
const maxVerifyingBytes = 8_388_608

export function createInboundBudget({ limits }: { limits: InboundBudgetLimits }): InboundBudget {
  const { maxInboxBytes, maxTopicInboxBytes } = limits
  const byAuthor = createShares({ max: maxInboxBytes })
  const byTopic = createShares({ max: maxInboxBytes, maxPerHolder: maxTopicInboxBytes })
  let messages = 0
  let verifying = 0
  let refused = 0

  function fits(author: string, topic: string, bytes: number): boolean {
    if (byTopic.refusal(topic, bytes) !== undefined) return false
    const refusal = byAuthor.refusal(author, bytes)
    // A single message may exceed a share.
    return refusal === undefined || (refusal === 'share' && byAuthor.held(author) === 0)
  }

  function hold(author: string, topic: string, bytes: number): Disposable {
    const held = new DisposableStack()
    held.use(byAuthor.hold(author, bytes))
    held.use(byTopic.hold(topic, bytes))
    held.defer(() => messages--)
    messages++
    return held
  }

  return {
    get canVerify() {
      return verifying <= maxVerifyingBytes
    },
    get refused() {
      return refused
    },
    enter(dataBytes, onVerified) {
      const bytes = dataBytes + overheadBytes
      if (messages >= maxMessages || verifying + byAuthor.total + bytes > maxInboxBytes) {
        refused++
        return undefined
      }
      messages++
      verifying += bytes
      let isVerifying = true

      function leave(): void {
        if (!isVerifying) return
        isVerifying = false
        messages--
        verifying -= bytes
        onVerified(bytes)
      }

      return {
        bytes,
        admit(author, topic) {
          const held = fits(author, topic, bytes) ? hold(author, topic, bytes) : undefined
          if (held === undefined) refused++
          // Links may be read again from here.
          leave()
          return held
        },
        [Symbol.dispose]: leave,
      }
    },
  }
}
