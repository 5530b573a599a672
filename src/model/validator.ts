import { z } from 'zod'
import { peerIdSchema } from './peer.ts'
import { topicSchema } from './topic.ts'
import { type Verdict, verdictSchema } from './verdict.ts'

/**
 * Maximum deadline of a verdict, in milliseconds: less than `validateTimeoutMs`, within which the message must also be
 * let in.
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

const count = (what: string) => z.int().min(0).describe(what)

/** The validators of a topic at a gateway, as other clients see them. */
export const validatorViewSchema = z
  .object({
    topic: topicSchema,
    validators: z.int().min(1).describe('Client connections that judge the messages of the topic.'),
    deadlineMs: z.int().min(1).describe('The longest of their deadlines, in milliseconds.'),
    default: verdictSchema.describe('The strictest of their default verdicts.'),
    open: count('Questions that wait for a verdict.'),
    accepted: count('Verdicts `accept` that they gave since `since`.'),
    ignored: count('Verdicts `ignore`.'),
    rejected: count('Verdicts `reject`.'),
    late: count('Questions that got the default verdict, since none was given in time.'),
    since: z.iso.datetime().describe('Since when the topic has had a validator here without a break.'),
    gateway: peerIdSchema.describe('The gateway that responds, and whose clients judge.'),
  })
  .meta({ id: 'ValidatorView', description: 'The validators that clients of this gateway are for a topic.' })
export type ValidatorView = z.infer<typeof validatorViewSchema>
