import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Access } from '../access/access.ts'
import type { Endings } from '../access/endings.ts'
import { costOfBytes, type Rates } from '../access/rates.ts'
import { InvalidToken, type PeergateError, toPeergateError, Unauthorized } from '../errors.ts'
import { type Grant, requireAction } from '../model/grant.ts'
import { requestCost } from './count-requests.ts'
import { watchEnd } from './end-with-token.ts'
import { lengthOf } from './request-bytes.ts'
import { sessionOf } from './session-cookie.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The rights of the client, set before the handler of an operation runs. */
    grant: Grant
    /** The error that refuses a browser's WebSocket, which can see it only once the socket is open. */
    refusal: PeergateError | undefined
  }
}

/** Prefix of the subprotocol by which a browser's WebSocket, which cannot set headers, sends its token in base64url. */
export const bearerSubprotocol = 'peergate.bearer.'
const maxTokenLength = 8_192

/**
 * Authenticates the client, checks that its token allows the operation, and charges its rate limit, whose state is in
 * the response headers (draft-ietf-httpapi-ratelimit-headers-10).
 * @throws Unauthorized, InvalidToken, Forbidden, RateLimited
 */
export function createAuthentication(components: {
  access: Pick<Access, 'admit' | 'admitSession'>
  rates: Rates
  endings: Endings
}): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  const { access, rates, endings } = components

  return async (request, reply) => {
    const { operation } = request.routeOptions.config
    if (operation === undefined) return
    if (operation.action === 'none') {
      if (operation.cost !== undefined) rates.take({ address: request.client.address }, operation.cost, requestCost)
      return
    }
    const offered = request.ws === true ? bearerOf(request.headers['sec-websocket-protocol']) : undefined
    try {
      request.grant = await admitted(request, offered)
      watchEnd(request, reply, endings)
      requireAction(request.grant, operation.action)
      const cost = (operation.cost ?? 1) + costOfBytes(lengthOf(request) ?? 0)
      const budget = rates.take({ grantId: request.grant.id, address: request.client.address }, cost, requestCost)
      reply.header('ratelimit-policy', `"${budget.name}";q=${budget.quota}`)
      reply.header('ratelimit', `"${budget.name}";r=${budget.remaining};t=${budget.resetSeconds}`)
    } catch (error) {
      if (offered === undefined) throw error
      request.refusal = toPeergateError(error)
    }
  }

  /** An unknown token costs as much as a hundred calls, against guessing, also when the address has fewer left. */
  async function admitted(request: FastifyRequest, offered: string | undefined): Promise<Grant> {
    try {
      const token = offered ?? tokenOf(request)
      const session = token === undefined && isOwnPage(request.headers) ? sessionOf(request) : undefined
      return session === undefined ? await access.admit(token) : await access.admitSession(session)
    } catch (error) {
      if (error instanceof InvalidToken) rates.charge(request.client.address, unknownTokenCost)
      throw error
    }
  }
}

const unknownTokenCost = 100

function bearerOf(subprotocols: string | undefined): string | undefined {
  const offered = subprotocols?.split(',').map((name) => name.trim())
  const bearer = offered?.find((name) => name.startsWith(bearerSubprotocol))
  return bearer === undefined ? undefined : Buffer.from(bearer.slice(bearerSubprotocol.length), 'base64url').toString()
}

/**
 * @throws Unauthorized for another scheme; InvalidToken when the credentials cannot be a bearer token (RFC 6750 §2.1)
 */
export function tokenOf({ headers }: FastifyRequest): string | undefined {
  const { authorization } = headers
  if (authorization === undefined) return undefined
  const credentials = /^Bearer(?: +(.*))?$/i.exec(authorization)
  if (credentials === null) throw new Unauthorized('The scheme of the Authorization must be Bearer.')
  const token = credentials[1] ?? ''
  if (!/^[\w.~+/-]+=*$/.test(token) || token.length > maxTokenLength) {
    throw new InvalidToken('The Authorization must be "Bearer <token>", with a token of at most 8192 characters.')
  }
  return token
}

/**
 * Accepts a cookie only from allowed pages: an Origin was checked before; without one, Sec-Fetch-Site must be
 * `same-origin`.
 */
function isOwnPage(headers: FastifyRequest['headers']): boolean {
  return headers.origin !== undefined || headers['sec-fetch-site'] === 'same-origin'
}
