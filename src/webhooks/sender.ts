import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import type { LookupFunction } from 'node:net'
import { answerPieceBytes, boundAnswer } from '../lib/bound-answer.ts'
import { createDeadline } from '../lib/deadline.ts'
import { foreignText } from '../model/text.ts'
import { version } from '../version.ts'
import type { TargetAddress, Targets } from './targets.ts'

/** Sends one request to a receiver. Follows no redirect, and reads a bounded part of the answer. */
export interface Sender {
  /** @throws the signal's reason */
  send(request: OutgoingRequest, signal: AbortSignal): Promise<Answer>
  /** Closes idle connections. */
  close(): void
}

export interface OutgoingRequest {
  url: string
  /** Whose webhook it is (`clientKey`). */
  client: string
  headers: Record<string, string>
  body: string
  timeoutMs: number
}

export interface Answer {
  /** Null when none came. */
  status: number | null
  /** At most `maxAnswerText` characters of it. */
  body: string
  /** Undefined when the receiver accepted the request. */
  error: string | undefined
  /** What `Retry-After` asks for, in milliseconds. */
  retryAfterMs: number | undefined
  durationMs: number
}

/** Bytes of an answer that are read, each piece counted with `answerPieceBytes`. */
const maxAnswerBytes = 65_536
const maxAnswerText = 4_096
const maxErrorLength = 300
/** Time without use after which a connection is closed, in milliseconds: below the usual timeout of servers (5 s). */
const idleMs = 4_000
/** Idle connections to one host. */
const maxIdlePerHost = 4

export function createSender(components: { targets: Targets; now?: () => number }): Sender {
  const { targets, now = Date.now } = components
  const settings = { keepAlive: true, maxFreeSockets: maxIdlePerHost, timeout: idleMs }
  const agents = { http: new HttpAgent(settings), https: new HttpsAgent(settings) }

  async function exchange(request: OutgoingRequest, signal: AbortSignal): Promise<Omit<Answer, 'durationMs'>> {
    const url = targets.check(request.url)
    const addresses = await targets.addresses(url, request.client, signal)
    const response = await open(url, addresses, request, signal)
    const status = response.statusCode ?? 0
    const body = await readAnswer(response)
    // An answer that ends with its connection looks whole when the deadline closes it.
    signal.throwIfAborted()
    const isAccepted = status >= 200 && status < 300
    const redirect = status >= 300 && status < 400 ? ', and redirects are not followed' : ''
    return {
      status,
      body: foreignText(body.toString('utf8'), maxAnswerText),
      error: isAccepted ? undefined : `the receiver answered with ${status}${redirect}`,
      retryAfterMs: retryAfter(response.headers['retry-after'], now()),
    }
  }

  function open(
    url: URL,
    addresses: TargetAddress[],
    { headers, body }: Pick<OutgoingRequest, 'headers' | 'body'>,
    signal: AbortSignal,
    isAgain = false,
  ): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const isSecure = url.protocol === 'https:'
    const options = {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      lookup: lookupOf(addresses),
      signal,
      // A server may close an idle connection while a request is on its way to it.
      agent: isAgain ? false : isSecure ? agents.https : agents.http,
    }
    const request = boundAnswer(isSecure ? requestHttps(url, options) : requestHttp(url, options))
    request.on('response', resolve)
    request.on('error', (error) => {
      if (request.reusedSocket && !isAgain && !signal.aborted && 'code' in error && error.code === 'ECONNRESET')
        open(url, addresses, { headers, body }, signal, true).then(resolve, reject)
      else reject(error)
    })
    request.on('close', () => reject(new Error('the receiver closed the connection without an answer')))
    request.end(body)
    return promise
  }

  return {
    async send(request, signal) {
      const begun = performance.now()
      using deadline = createDeadline(request.timeoutMs, [signal])
      const answer = await exchange(request, deadline.signal).catch((error: unknown) => {
        signal.throwIfAborted()
        const reason = deadline.isOver ? `no answer within ${request.timeoutMs} ms` : reasonOf(error)
        return { status: null, body: '', error: foreignText(reason, maxErrorLength), retryAfterMs: undefined }
      })
      return { ...answer, durationMs: Math.round(performance.now() - begun) }
    },
    close() {
      agents.http.destroy()
      agents.https.destroy()
    },
  }
}

/** The name is not looked up again: the connection goes to an address that was judged. */
function lookupOf(addresses: TargetAddress[]): LookupFunction {
  return (_name, { all }, callback) => {
    const [first] = addresses
    if (all === true) callback(null, addresses)
    else callback(null, first?.address ?? '', first?.family)
  }
}

/** The answer, or its first part; the connection of a longer one is closed as soon as that part has arrived. */
function readAnswer(response: IncomingMessage): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let left = maxAnswerBytes
  response.on('data', (chunk: Buffer) => {
    if (left > 0) chunks.push(chunk.subarray(0, left))
    left -= chunk.length + answerPieceBytes
    if (left > 0 || response.destroyed) return
    resolve(Buffer.concat(chunks))
    response.destroy()
  })
  response.on('end', () => resolve(Buffer.concat(chunks)))
  response.on('error', reject)
  response.on('close', () => reject(new Error('the receiver closed the connection within its answer')))
  return promise
}

/** `Retry-After` in milliseconds (RFC 9110 §10.2.3): seconds, or a date. */
export function retryAfter(value: string | undefined, now: number): number | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000
  const at = Date.parse(value)
  return Number.isNaN(at) ? undefined : Math.max(0, at - now)
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}

export const userAgent = `Peergate/${version}`
