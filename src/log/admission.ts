import type { Logger } from 'pino'
import type { Limits } from '../limits.ts'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import { type Judgement, unjudged } from '../model/validator.ts'
import type { Verdict } from '../model/verdict.ts'
import type { AppendEntry } from '../store/log-append.ts'
import type { LogStore } from '../store/log-store.ts'
import { createAuthorQuota } from './author-quota.ts'
import { createPassages, type Passages } from './passages.ts'
import { createRefusedIds } from './refused-ids.ts'

/**
 * Decides whether a remote message is let in, whichever peer delivered it: by size, author quota and validators. A copy
 * of a message that is on its way (passages.ts) is neither judged nor counted again.
 */
export interface Admission {
  /** What is let in counts against its author's quota, and has to be `settled`. */
  judge(message: SignedMessage): Promise<Verdict>
  /**
   * Messages that were let in are in the log, or given up; those that were not new cost their author nothing.
   * @param entries one per message, in the same order; undefined when the messages were not stored
   * @returns for each whether it, or a copy that was on its way with it, is new in the log
   */
  settled(messages: SignedMessage[], entries: AppendEntry[] | undefined): boolean[]
  letIn: Passages['letIn']
  isLetIn: Passages['isLetIn']
  stop(): Promise<void>
}

export interface AdmissionComponents {
  log: Pick<LogStore, 'refuse'>
  /** The validators of a message's topic, asked in order. */
  judges?: { judge(message: SignedMessage): Promise<Judgement> } | undefined
  logger: Logger
  /** Age time. */
  age(): number
}

const acceptAll = { judge: async () => unjudged }

export function createAdmission(
  init: { limits: Pick<Limits, 'maxMessageBytes' | 'maxAuthorBytesPerHour'> },
  components: AdmissionComponents,
): Admission {
  const { maxMessageBytes } = init.limits
  const { log, judges = acceptAll, logger, age } = components
  const quota = createAuthorQuota(init.limits, { now: age })
  const refused = createRefusedIds({ log, logger, now: age })

  const passages = createPassages({ onLost: giveBack })

  function giveBack({ from, topic, data }: SignedMessage): void {
    quota.giveBack(from, topic, data.length)
  }

  async function decide(message: SignedMessage): Promise<Verdict> {
    const id = messageId(message.from, message.sequence)
    if (message.data.length > maxMessageBytes || refused.has(id)) return 'ignore'
    if (!quota.take(message.from, message.topic, message.data.length)) return 'ignore'
    const { verdict, given } = await judges.judge(message)
    if (verdict === 'accept') return verdict
    if (given) refused.add(id)
    // No validator gave a verdict: the message may arrive again and be judged then.
    else giveBack(message)
    return verdict
  }

  return {
    judge: (message) => passages.enter(message, () => decide(message)),
    settled: (messages, entries) => messages.map((message, index) => passages.leave(message, entries?.[index]?.known === false)),
    letIn: passages.letIn,
    isLetIn: passages.isLetIn,
    stop: () => refused.stop(),
  }
}
