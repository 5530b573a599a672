import { z } from 'zod'
import { topicSchema } from './topic.ts'
import { type Verdict, verdictSchema } from './verdict.ts'

/** The longest that a verdict may take, in milliseconds: the engine waits longer (`validateTimeoutMs`), and then the message has to be stored. */
export const maxDeadlineMs = 2_000

/** Which topic a client judges, how long a verdict may take, and what it is when it does not come. */
export const registrationSchema = z.strictObject({
  topic: topicSchema,
  deadlineMs: z.int().min(1).max(maxDeadlineMs),
  default: verdictSchema,
})
export type Registration = z.infer<typeof registrationSchema>

/** What is thought of a message. `given`: a client has said so; else it is what stands in for a verdict that did not come, or nobody was asked. */
export interface Judgement {
  verdict: Verdict
  given: boolean
}

/** What a message is that nobody judges. */
export const unjudged: Judgement = { verdict: 'accept', given: false }

const severity: Record<Verdict, number> = { accept: 0, ignore: 1, reject: 2 }

/** The one that counts of several. */
export function strictest(judgements: Judgement[]): Judgement {
  return judgements.reduce((worst, each) => {
    const more = severity[each.verdict] - severity[worst.verdict]
    return more > 0 || (more === 0 && each.given) ? each : worst
  }, unjudged)
}

/** What holds for a topic that several judge: the longest time, and the strictest default. */
export function joined(one: Registration, other: Registration | undefined): Registration {
  if (other === undefined) return one
  const { verdict } = strictest([one, other].map((each) => ({ verdict: each.default, given: false })))
  return { topic: one.topic, deadlineMs: Math.max(one.deadlineMs, other.deadlineMs), default: verdict }
}
