import { z } from 'zod'
import { topicSchema } from './topic.ts'
import { type Verdict, verdictSchema } from './verdict.ts'

/**
 * Maximum deadline of a verdict, in milliseconds: less than `validateTimeoutMs`, within which the message must also be
 * stored.
 */
export const maxDeadlineMs = 2_000

/** Registration of a validator: its topic, the deadline of a verdict, and the default verdict. */
export const registrationSchema = z.strictObject({
  topic: topicSchema,
  deadlineMs: z.int().min(1).max(maxDeadlineMs),
  default: verdictSchema,
})
export type Registration = z.infer<typeof registrationSchema>

/**
 * The judgement of a message. `given` is true if a client gave the verdict, false for a default or without a validator.
 */
export interface Judgement {
  verdict: Verdict
  given: boolean
}

/** The judgement of a message without a validator. */
export const unjudged: Judgement = { verdict: 'accept', given: false }

const severity: Record<Verdict, number> = { accept: 0, ignore: 1, reject: 2 }

/** The strictest of several judgements, which counts. */
export function strictest(judgements: Judgement[]): Judgement {
  return judgements.reduce((worst, each) => {
    const more = severity[each.verdict] - severity[worst.verdict]
    return more > 0 || (more === 0 && each.given) ? each : worst
  }, unjudged)
}

/** Joins two registrations of a topic: the longest deadline, and the strictest default. */
export function joined(one: Registration, other: Registration | undefined): Registration {
  if (other === undefined) return one
  const { verdict } = strictest([one, other].map((each) => ({ verdict: each.default, given: false })))
  return { topic: one.topic, deadlineMs: Math.max(one.deadlineMs, other.deadlineMs), default: verdict }
}
