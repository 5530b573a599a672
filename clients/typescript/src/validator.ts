import type { Connection } from './connection.ts'
import type { Candidate, ServerFrame } from './frames.ts'
import { type Registration, register } from './registration.ts'

/** `reject` also counts against the peer that brought the message; `ignore` is for rules of one's own. */
export type Verdict = 'accept' | 'ignore' | 'reject'

/** Judges a message before it is stored. When it throws, the default applies. */
export type Judge = (message: Candidate) => Verdict | Promise<Verdict>

export interface ValidateOptions {
  /** Milliseconds for a verdict. Default: 1,000. */
  deadlineMs?: number
  /** What applies without a verdict in time. Default: `ignore`. */
  default?: Verdict
  encoding?: 'base64' | 'json'
  signal?: AbortSignal
}

export async function validate(connection: Connection, topic: string, judge: Judge, options: ValidateOptions): Promise<Registration> {
  const { signal, ...settings } = options
  let generation = 0

  async function decide({ validationId, message }: Extract<ServerFrame, { type: 'validation' }>): Promise<void> {
    const asked = generation
    try {
      const verdict = await judge(message)
      // The id means nothing on a later connection.
      if (asked === generation) connection.send({ type: 'verdict', validationId, verdict })
    } catch {
      // Without a verdict the default applies after the deadline.
    }
  }

  return await register(connection, {
    start: { type: 'validate', topic, ...settings },
    stop: { type: 'unvalidate', topic },
    signal,
    frame(frame) {
      if (frame.type === 'validation' && frame.message.topic === topic) void decide(frame)
    },
    lost() {
      generation++
    },
  })
}
