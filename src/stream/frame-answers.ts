import type { ClientFrame } from './client-frames.ts'
import type { ServerFrame } from './server-frames.ts'

/** Pairs of a frame and its answer, as the contract lists them. */

/** The answer to each frame of a client that succeeds. A frame that is refused is answered by `error`. */
export const serverAnswers = {
  subscribe: 'subscribed',
  unsubscribe: 'unsubscribed',
  ack: 'acked',
  publish: 'published',
  send: 'queued',
  request: 'response',
  serve: 'serving',
  unserve: 'unserved',
  reply: 'replied',
  validate: 'validating',
  unvalidate: 'unvalidated',
  verdict: 'judged',
  auth: 'authenticated',
  ping: 'pong',
} as const satisfies Record<ClientFrame['type'], ServerFrame['type']>

/** Frames of the gateway that a client answers, each with the answer and the field that both frames have. */
export const clientAnswers = {
  request: { answer: 'reply', field: 'requestId' },
  validation: { answer: 'verdict', field: 'validationId' },
} as const satisfies Partial<Record<ServerFrame['type'], { answer: ClientFrame['type']; field: string }>>
