import type { Connection } from './connection.ts'
import { PeergateError } from './errors.ts'
import type { Message, ServerFrame } from './frames.ts'
import { type Registration, register } from './registration.ts'

/** A message of a consumer. */
export interface Task {
  message: Message
  /** 1 for the first delivery. */
  attempt: number
  /** Tells the gateway that the work goes on: `ackWaitMs` of the consumer begins anew. */
  progress(): void
  /** Aborts when the connection is lost: the message goes to another worker, or comes again. */
  signal: AbortSignal
}

/** `retry`: deliver it again, after the pause of the consumer, or after `retryAfterMs`. `drop`: never deliver it again. */
export type Outcome = 'ack' | 'retry' | 'drop' | { retryAfterMs: number }

/** Works on a message. It is acknowledged when the work is done, and delivered again, after a pause, when it fails. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function without a return is of this type.
export type TaskHandler = (task: Task) => Outcome | void | Promise<Outcome | void>

export interface WorkOptions {
  /** Messages in work at once. Default: 1. */
  concurrency?: number
  encoding?: 'base64' | 'json'
  signal?: AbortSignal
}

/** The longest delay that a gateway takes for `retry`. */
const longestDelayMs = 86_400_000

let registrations = 0

export async function work(connection: Connection, consumer: string, handler: TaskHandler, options: WorkOptions): Promise<Registration> {
  const { concurrency = 1, encoding, signal } = options
  const subscription = `work ${registrations++} ${consumer}`.slice(0, 128)
  let lost = new AbortController()

  async function handle({ message, attempt = 1, claim }: Extract<ServerFrame, { type: 'message' }>): Promise<void> {
    const controller = lost
    const tell = (outcome: Outcome | 'progress') => {
      if (controller.signal.aborted) return
      const told = typeof outcome === 'string' ? { verdict: outcome } : { verdict: 'retry', ...delayOf(outcome.retryAfterMs) }
      const frame = { type: 'ack', consumer, claims: [claim], ...told }
      connection.call({ frame, resend: false, repeat: true, counts: false, answered: () => {}, refused: () => {} })
    }
    tell(await outcomeOf(() => handler({ message, attempt, progress: () => tell('progress'), signal: controller.signal })))
  }

  return await register(connection, {
    start: { type: 'subscribe', subscription, consumer, maxUnacked: concurrency, encoding },
    stop: { type: 'unsubscribe', subscription },
    signal,
    frame(frame) {
      if (frame.type === 'message' && frame.subscription === subscription) void handle(frame)
    },
    // The consumer was removed.
    failure: (frame) =>
      frame.type === 'error' && frame.id === undefined && frame.subscription === subscription ? new PeergateError(frame) : undefined,
    lost() {
      lost.abort()
      lost = new AbortController()
    },
  })
}

async function outcomeOf(handle: () => ReturnType<TaskHandler>): Promise<Outcome> {
  try {
    return (await handle()) ?? 'ack'
  } catch {
    return 'retry'
  }
}

/** A delay that the gateway takes: it would refuse the whole verdict, and the message would only come when `ackWaitMs` is over. */
function delayOf(delayMs: number): { delayMs?: number } {
  const taken = Math.min(Math.max(Math.round(delayMs), 0), longestDelayMs)
  return Number.isNaN(taken) ? {} : { delayMs: taken }
}
