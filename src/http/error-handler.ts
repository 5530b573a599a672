import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { ConnectionError, FastifyReply, FastifyRequest } from 'fastify'
import {
  BodyTooLarge,
  ClientTimeout,
  HeadersTooLarge,
  InternalError,
  InvalidRequest,
  PeergateError,
  toPeergateError,
  UriTooLong,
} from '../errors.ts'
import { unsupportedType } from './body.ts'
import { problemType, retryAfterSeconds, toProblem } from './problem.ts'

/** Answers errors of handlers and hooks, and refusals by Fastify, with a problem document. */
export function handleError(thrown: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const error = conditionFor(thrown, request)
  if (reply.raw.destroyed) request.log.debug({ err: thrown }, 'client disconnected before the response')
  else if (error instanceof InternalError) request.log.error({ err: thrown }, 'request failed')
  else request.log.debug({ err: thrown }, 'request refused')
  const retryAfter = retryAfterSeconds(error)
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  const challenge = challenges.get(error.code)
  if (challenge !== undefined) reply.header('www-authenticate', challenge)
  return reply
    .code(error.status)
    .type(problemType)
    .send(JSON.stringify(toProblem(error, request.id)))
}

/** RFC 6750 §3.1. */
const challenges = new Map([
  ['unauthorized', 'Bearer realm="peergate"'],
  ['invalid_token', 'Bearer realm="peergate", error="invalid_token"'],
  ['forbidden', 'Bearer realm="peergate", error="insufficient_scope"'],
])

/** Maps Fastify's errors that a client can cause to conditions; other errors stay as thrown. */
function conditionFor(thrown: unknown, request: FastifyRequest): PeergateError {
  if (!(thrown instanceof Error) || thrown instanceof PeergateError) return toPeergateError(thrown)
  switch ('code' in thrown ? thrown.code : undefined) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return unsupportedType(request)
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new BodyTooLarge(`The maximum size of a body is ${request.routeOptions.bodyLimit} bytes.`)
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new UriTooLong('A part of the path is too long.')
    case 'FST_ERR_BAD_URL':
      return new InvalidRequest('The path is not well-formed: its percent-encoding is not UTF-8.')
    default:
      return isClientsFault(thrown) ? new InvalidRequest('The request could not be read.') : toPeergateError(thrown)
  }
}

function isClientsFault(thrown: Error): boolean {
  return 'statusCode' in thrown && typeof thrown.statusCode === 'number' && thrown.statusCode < 500
}

/** Answers invalid HTTP, which never becomes a request, on the raw socket. */
export function handleClientError(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const problem = toProblem(conditionForNoRequest(error), crypto.randomUUID())
  const body = JSON.stringify(problem)
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\nConnection: close\r\nContent-Type: ${problemType}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
}

/** Maps the error codes of Node.js for invalid or slow HTTP. */
function conditionForNoRequest({ code }: ConnectionError): PeergateError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new HeadersTooLarge('The maximum size of the request line and header fields is 16 KiB.')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ClientTimeout('The header fields, or the body, took too long to arrive.')
    default:
      return new InvalidRequest('This is not a valid HTTP/1.1 request.')
  }
}
