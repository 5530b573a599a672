import type { Payload } from './data.ts'
import type { ErrorFields } from './errors.ts'

/** A message of a topic, or a direct one. */
export interface Message extends Payload {
  /** The position after this message. */
  cursor: string
  id: string
  /** `topic` or `direct`. */
  kind: string
  topic?: string
  to?: string
  from: string
  sequence: string
  receivedAt: string
  signature: string
  publicKey?: string
}

/** A message that a validator judges: not stored yet. */
export type Candidate = Omit<Message, 'cursor' | 'receivedAt'>

interface Answer {
  id?: string | number
}

interface Named {
  subscription?: string
}

/** The frames of the server that this client reads. Others are ignored. */
export type ServerFrame =
  | { type: 'welcome'; peerId: string; heartbeatMs: number; limits?: Record<string, number> }
  | ({ type: 'subscribed'; cursor: string } & Answer & Named)
  | ({ type: 'message'; message: Message; attempt?: number; claim?: string } & Named)
  | ({ type: 'caught-up' | 'progress'; cursor: string } & Named)
  | ({ type: 'gap'; from: string; to: string; reason: string; topic?: string; direct?: true } & Named)
  | ({ type: 'published'; messageId: string; cursor: string; recipients: number; gateway: string; replayed?: true } & Answer)
  | ({ type: 'queued'; delivery: Delivery } & Answer)
  | ({ type: 'response' } & Payload & Answer)
  | ({ type: 'serving' | 'unserved' | 'validating' | 'unvalidated' | 'pong' | 'unsubscribed' } & Answer)
  | ({ type: 'request'; requestId: string; from: string; service: string; deadline: string } & Payload)
  | { type: 'cancelled'; requestId: string }
  | { type: 'validation'; validationId: string; message: Candidate; deadline: string }
  | ({ type: 'error' } & ErrorFields & Answer & Named)
  | { type: 'closing'; reason: string; retryAfterMs: number }

/** The state of a direct message. */
export interface Delivery {
  id: string
  to: string
  state: string
}

/** A frame of this client. */
export type ClientFrame = { type: string } & Record<string, unknown>

type Fields = Readonly<Record<string, 'string' | 'number' | 'object'>>

const typed: Fields = { type: 'string' }
const ofMessages: Fields = { cursor: 'string', id: 'string', encoding: 'string' }

/** The fields without which a frame cannot be handled, by the type of the frame, with their types. */
const needed = {
  welcome: { peerId: 'string', heartbeatMs: 'number' },
  subscribed: { cursor: 'string' },
  message: { message: 'object' },
  'caught-up': { cursor: 'string' },
  progress: { cursor: 'string' },
  gap: { from: 'string', to: 'string', reason: 'string' },
  published: { messageId: 'string', cursor: 'string' },
  queued: { delivery: 'object' },
  response: { encoding: 'string' },
  request: { requestId: 'string', service: 'string', encoding: 'string' },
  cancelled: { requestId: 'string' },
  validation: { validationId: 'string', message: 'object' },
  error: { code: 'string' },
  closing: { retryAfterMs: 'number' },
} satisfies { readonly [Type in ServerFrame['type']]?: Fields }

const fieldsByType: ReadonlyMap<string, Fields> = new Map(Object.entries(needed))

/**
 * Reads a frame of the server. Unknown types pass: newer gateways have more of them.
 * @returns undefined for what is not a frame
 */
export function parseFrame(text: unknown): ServerFrame | undefined {
  if (typeof text !== 'string') return undefined
  let frame: unknown
  try {
    frame = JSON.parse(text)
  } catch {
    return undefined
  }
  return isFrame(frame) ? frame : undefined
}

function isFrame(frame: unknown): frame is ServerFrame {
  if (!has(frame, typed)) return false
  const { type } = frame
  if (type === 'message') return has(frame, needed.message) && has(frame['message'], ofMessages)
  return has(frame, fieldsByType.get(String(type)) ?? typed)
}

/** Plain reads: each message that comes passes here. */
function has(value: unknown, fields: Fields): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  for (const name in fields) {
    const field: unknown = Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined
    if (field === null || typeof field !== fields[name]) return false
  }
  return true
}
