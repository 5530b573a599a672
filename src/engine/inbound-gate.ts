import type { Logger } from 'pino'
import type { Limits } from '../limits.ts'
import type { SignedMessage } from '../model/signed-message.ts'
import type { Verdict } from '../model/verdict.ts'
import type { Inbound } from './engine.ts'
import type { InboundBudget, InboundMessage } from './inbound-budget.ts'

export type InboundLimits = Pick<Limits, 'maxMessageBytes' | 'validateTimeoutMs'>

/** The way in for verified messages from the network, with a deadline for verdicts. Messages are judged concurrently. */
export interface InboundGate {
  /**
   * The receiver's verdict. `ignore` when it comes too late, and for a message that is not to be judged: it is this
   * node's own, of no subscribed topic, too large, or beyond the share of its author or topic. While the receiver holds it
   * (`Inbound.isHeld`), it is not too late. The message counts until the receiver's verdict is there, however
   * late.
   */
  judge(message: SignedMessage, counted: InboundMessage): Promise<Verdict>
  /** Number of messages ignored because too many were waiting, or because the verdict came too late. */
  readonly dropped: number
}

export function createInboundGate(
  init: { limits: InboundLimits; peerId: string },
  components: { budget: InboundBudget; inbound: () => Inbound | undefined; topics: ReadonlySet<string>; logger: Logger },
): InboundGate {
  const { limits, peerId } = init
  const { budget, inbound, topics, logger } = components
  let late = 0

  function isWanted({ from, topic, data }: SignedMessage): boolean {
    return topics.has(topic) && data.length <= limits.maxMessageBytes && from !== peerId
  }

  async function ask(message: SignedMessage, held: Disposable): Promise<Verdict> {
    using _held = held
    try {
      return (await inbound()?.onMessage(message)) ?? 'ignore'
    } catch (err) {
      logger.warn({ err }, 'a message from the network could not be judged')
      return 'ignore'
    }
  }

  function inTime(message: SignedMessage, answer: Promise<Verdict>): Promise<Verdict> {
    const { promise, resolve } = Promise.withResolvers<Verdict>()
    const onEnd = () => {
      if (inbound()?.isHeld?.(message) === true) {
        deadline = setTimeout(onEnd, limits.validateTimeoutMs)
        return
      }
      late++
      resolve('ignore')
    }
    let deadline = setTimeout(onEnd, limits.validateTimeoutMs)
    void answer.then(resolve).finally(() => clearTimeout(deadline))
    return promise
  }

  return {
    get dropped() {
      return budget.refused + late
    },
    async judge(message, counted) {
      const held = isWanted(message) ? counted.admit(message.from, message.topic) : undefined
      return held === undefined ? 'ignore' : await inTime(message, ask(message, held))
    },
  }
}
