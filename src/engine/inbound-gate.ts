import type { Logger } from 'pino'
import { createShares } from '../lib/shares.ts'
import type { SignedMessage } from '../model/signed-message.ts'
import type { Verdict } from '../model/verdict.ts'
import type { Inbound } from './engine.ts'

export interface InboundLimits {
  maxMessageBytes: number
  maxInboxBytes: number
  maxTopicInboxBytes: number
  validateTimeoutMs: number
}

/**
 * The way in for verified messages from the network: bounded, with a deadline for verdicts. Messages are judged
 * concurrently.
 */
export interface InboundGate {
  /**
   * Whether a message may be judged at all: it is from another peer, of a subscribed topic, small enough, and there is
   * room. Cheap.
   */
  admits(message: Pick<SignedMessage, 'from' | 'topic' | 'data'>): boolean
  /** The receiver's verdict, or `ignore` when it comes too late. */
  judge(message: SignedMessage): Promise<Verdict>
  /** Number of messages ignored because too many were waiting, or because the verdict came too late. */
  readonly dropped: number
}

/** Memory cost of a waiting message in addition to its data, in bytes. */
const overheadBytes = 512

export function createInboundGate(
  init: { limits: InboundLimits; peerId: string },
  components: { inbound: () => Inbound | undefined; topics: ReadonlySet<string>; logger: Logger },
): InboundGate {
  const { limits, peerId } = init
  const { inbound, topics, logger } = components
  /** Bytes of messages that wait for a verdict: shared by author, and counted by topic. */
  const byAuthor = createShares({ max: limits.maxInboxBytes })
  const byTopic = new Map<string, number>()
  let dropped = 0

  function fits(author: string, topic: string, cost: number): boolean {
    if ((byTopic.get(topic) ?? 0) + cost > limits.maxTopicInboxBytes) return false
    const refusal = byAuthor.refusal(author, cost)
    // A single message may exceed a share.
    return refusal === undefined || (refusal === 'share' && byAuthor.held(author) === 0)
  }

  function count(topic: string, bytes: number): void {
    const held = (byTopic.get(topic) ?? 0) + bytes
    if (held === 0) byTopic.delete(topic)
    else byTopic.set(topic, held)
  }

  /** The receiver's verdict. The message counts until the verdict arrives, however late. */
  async function ask(message: SignedMessage): Promise<Verdict> {
    const cost = message.data.length + overheadBytes
    using _held = byAuthor.hold(message.from, cost)
    count(message.topic, cost)
    try {
      return (await inbound()?.onMessage(message)) ?? 'ignore'
    } catch (err) {
      logger.warn({ err }, 'a message from the network could not be judged')
      return 'ignore'
    } finally {
      count(message.topic, -cost)
    }
  }

  function inTime(answer: Promise<Verdict>): Promise<Verdict> {
    const { promise, resolve } = Promise.withResolvers<Verdict>()
    const deadline = setTimeout(() => {
      dropped++
      resolve('ignore')
    }, limits.validateTimeoutMs)
    void answer.then(resolve).finally(() => clearTimeout(deadline))
    return promise
  }

  return {
    get dropped() {
      return dropped
    },
    admits({ from, topic, data }) {
      if (!topics.has(topic) || data.length > limits.maxMessageBytes || from === peerId) return false
      if (fits(from, topic, data.length + overheadBytes)) return true
      dropped++
      return false
    },
    judge: (message) => inTime(ask(message)),
  }
}
