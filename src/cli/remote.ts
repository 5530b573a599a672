import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { Context } from './contexts.ts'
import { exitCodes } from './exit-codes.ts'
import { CommandFailed } from './failures.ts'

export interface Call {
  query?: Record<string, string | number | boolean | readonly string[] | undefined>
  /** Sent as JSON; bytes as they are. */
  body?: object | Uint8Array
  idempotencyKey?: string
  /** Milliseconds for which a call is repeated that found the gateway busy or not there. A call that creates something needs a key then. */
  patienceMs?: number
}

/** The HTTP API of a gateway. */
export interface Remote {
  readonly url: string
  /** @throws CommandFailed */
  call<T>(method: string, path: string, answer: z.ZodType<T>, call?: Call): Promise<T>
}

/** What a refusal says of itself (RFC 9457). */
const problemSchema = z.object({
  title: z.string().default(''),
  detail: z.string().optional(),
  code: z.string().optional(),
  retryable: z.boolean().default(false),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).default([]),
})

class Refused extends CommandFailed {
  readonly retryAfterMs: number | undefined

  constructor(message: string, exitCode: number, retryAfterMs?: number) {
    super(message, exitCode)
    this.retryAfterMs = retryAfterMs
  }
}

const firstPauseMs = 100
const longestPauseMs = 2_000

export function createRemote({ url, token }: Context, onWait: (why: string) => void): Remote {
  const base = url.replace(/\/+$/, '')

  function unreachable(error: Error): never {
    const { cause } = error
    const why = cause instanceof Error ? cause.message : error.message
    throw new Refused(`No gateway answers at ${base}: ${why}`, exitCodes.unavailable, firstPauseMs)
  }

  async function once<T>(method: string, path: string, answer: z.ZodType<T>, { query = {}, body, idempotencyKey }: Call): Promise<T> {
    const isBytes = body instanceof Uint8Array
    const response = await fetch(`${base}${path}${queryText(query)}`, {
      method,
      redirect: 'error',
      headers: {
        accept: 'application/json',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...(body === undefined ? {} : { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isBytes ? Buffer.from(body) : JSON.stringify(body) }),
    }).catch(unreachable)
    // An answer that is cut says as little as none.
    const text = await response.text().catch(unreachable)
    if (!response.ok) throw refusal(response, text)
    const read = answer.safeParse(text === '' ? undefined : json(text))
    if (!read.success)
      throw new CommandFailed(`${base}${path} does not answer as a gateway does.`, exitCodes.failure, { cause: read.error })
    return read.data
  }

  return {
    url: base,
    async call(method, path, answer, call = {}) {
      const until = Date.now() + (call.patienceMs ?? 0)
      for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
        try {
          return await once(method, path, answer, call)
        } catch (error) {
          const waitMs = error instanceof Refused ? error.retryAfterMs : undefined
          if (!(error instanceof Refused) || waitMs === undefined || Date.now() + waitMs >= until) throw error
          if (pauseMs === firstPauseMs) onWait(`${error.message} Trying again.`)
          await delay(Math.max(waitMs, pauseMs * (0.5 + Math.random() / 2)))
        }
      }
    },
  }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function queryText(query: NonNullable<Call['query']>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) params.append(name, String(each))
  }
  return params.size === 0 ? '' : `?${params}`
}

function refusal(response: Response, text: string): CommandFailed {
  const problem = problemSchema.safeParse(json(text))
  if (!problem.success) return new CommandFailed(`The gateway answered ${response.status} ${response.statusText}.`, exitCodes.failure)
  const { title, detail, code, retryable, errors } = problem.data
  const lines = [
    `${detail ?? title}${code === undefined ? '' : ` (${code})`}`,
    ...errors.map(({ path, message }) => `  ${path}: ${message}`),
  ]
  const retryAfterMs = (Number(response.headers.get('retry-after')) || 1) * 1_000
  return new Refused(lines.join('\n'), exitCodeOfStatus(response.status), retryable ? retryAfterMs : undefined)
}

function exitCodeOfStatus(status: number): number {
  if (status === 401 || status === 403) return exitCodes.refused
  return status === 429 || status === 503 ? exitCodes.busy : exitCodes.failure
}
