import type { Logger } from 'pino'
import type { Limits } from '../limits.ts'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import { type Judgement, unjudged } from '../model/validator.ts'
import type { Verdict } from '../model/verdict.ts'
import type { AppendEntry } from '../store/log-append.ts'
import type { LogStore } from '../store/log-store.ts'
import { createAuthorQuota } from './author-quota.ts'
import { createRefusedIds } from './refused-ids.ts'

/** Decides whether a remote message is let in, whichever peer delivered it: by size, author quota and validators. */
export interface Admission {
  /** Every message counts against its author's quota until `giveBack`. */
  judge(message: SignedMessage): Promise<Verdict>
  /**
   * Returns the quota of messages that were not new.
   * @param entries one per message, in the same order; undefined when the messages were not stored
   */
  giveBack(messages: SignedMessage[], entries: AppendEntry[] | undefined): void
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

  function giveBack(messages: SignedMessage[], entries: AppendEntry[] | undefined): void {
    for (const [index, { from, topic, data }] of messages.entries()) {
      if (entries?.[index]?.known !== false) quota.giveBack(from, topic, data.length)
    }
  }

  return {
    async judge(message) {
      const id = messageId(message.from, message.sequence)
      if (message.data.length > maxMessageBytes || refused.has(id)) return 'ignore'
      if (!quota.take(message.from, message.topic, message.data.length)) return 'ignore'
      const { verdict, given } = await judges.judge(message)
      if (verdict === 'accept') return verdict
      if (given) refused.add(id)
      // No validator gave a verdict: the message may arrive again and be judged then.
      else giveBack([message], undefined)
      return verdict
    },
    giveBack,
    stop: () => refused.stop(),
  }
}
