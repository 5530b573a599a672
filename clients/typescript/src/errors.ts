/** What a gateway tells of an error, on the stream and as a problem document of REST. */
export interface ErrorFields {
  /** One of docs/errors.md, or of `clientErrors`. */
  code: string
  title?: string
  detail?: string
  retryable?: boolean
  retryAfterMs?: number
  errors?: Array<{ path: string; message: string }>
  /** With `cursor_expired`: where the messages that are left begin. */
  earliest?: string
}

/** Errors that the client itself reports, by code. */
export const clientErrors = {
  closed: 'The client was closed',
  connection_closed: 'The gateway ended the connection for good',
  connection_lost: 'The connection was lost before the answer',
  protocol_error: 'The gateway sent something that is not of the protocol',
  no_token: 'The function that gives tokens failed',
  too_many_calls: 'Too many calls wait for their answers',
  connect_timeout: 'The gateway did not answer in time',
} as const

export type ClientErrorCode = keyof typeof clientErrors

/** An error with a stable code: of the gateway (docs/errors.md), or of the client (`clientErrors`). */
export class PeergateError extends Error {
  override readonly name = 'PeergateError'
  readonly code: string
  /** Whether the same call can succeed later. */
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  /** The fields that were refused. */
  readonly errors: ReadonlyArray<{ path: string; message: string }>
  readonly earliest: string | undefined
  /** HTTP status, with REST. */
  readonly status: number | undefined

  constructor(fields: ErrorFields, status?: number, cause?: unknown) {
    super(fields.detail ?? fields.title ?? fields.code, cause === undefined ? {} : { cause })
    this.code = fields.code
    this.retryable = fields.retryable ?? false
    this.retryAfterMs = fields.retryAfterMs
    this.errors = fields.errors ?? []
    this.earliest = fields.earliest
    this.status = status
  }
}

/** @param detail more than the title of the code */
export function clientError(code: ClientErrorCode, detail?: string, cause?: unknown): PeergateError {
  const retryable = code === 'connection_lost' || code === 'too_many_calls' || code === 'connect_timeout' || code === 'no_token'
  return new PeergateError({ code, detail: detail ?? clientErrors[code], retryable }, undefined, cause)
}
