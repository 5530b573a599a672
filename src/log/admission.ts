import type { Logger } from 'pino'
import { messageId, type SignedMessage } from '../model/signed-message.ts'
import { type Judgement, unjudged } from '../model/validator.ts'
import type { Verdict } from '../model/verdict.ts'
import type { AppendEntry, LogStore } from '../store/log-store.ts'
import { createAuthorQuota } from './author-quota.ts'
import { createRefusedIds } from './refused-ids.ts'

/** What this gateway and its clients think of messages of others, whoever brought them: by size, author's quota, and validators. */
export interface Admission {
  /** Each message counts against its author's quota until it is given back. */
  judge(message: SignedMessage): Promise<Verdict>
  /** What was not new costs its author nothing. @param entries of each message, in their order; nothing when they were not stored */
  giveBack(messages: SignedMessage[], entries: AppendEntry[] | undefined): void
  stop(): Promise<void>
}

export interface AdmissionComponents {
  log: Pick<LogStore, 'refuse'>
  /** Whom messages of others have to pass; in their order for each topic. */
  judges?: { judge(message: SignedMessage): Promise<Judgement> } | undefined
  logger: Logger
  /** Age time. */
  age(): number
}

const acceptAll = { judge: async () => unjudged }

export function createAdmission(
  init: { limits: { maxMessageBytes: number; maxAuthorBytesPerHour: number } },
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
      // It may come again, and be judged then.
      else giveBack([message], undefined)
      return verdict
    },
    giveBack,
    stop: () => refused.stop(),
  }
}
