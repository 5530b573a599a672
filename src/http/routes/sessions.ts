import { z } from 'zod'
import type { Rates } from '../../access/rates.ts'
import type { Sessions } from '../../access/sessions.ts'
import { patternsOf } from '../../model/topic.ts'
import { tokenOf } from '../authenticate.ts'
import { clientExample } from '../examples.ts'
import { type App, declareRoute, empty, json, noQuery } from '../operation.ts'
import { sessionCookie, sessionOf } from '../session-cookie.ts'

export interface SessionComponents {
  sessions: Pick<Sessions, 'open' | 'close'>
  rates: Pick<Rates, 'budgets'>
  /** Wall time, milliseconds since 1970. */
  now?: (() => number) | undefined
}

const budgetSchema = z
  .object({
    name: z.string().describe('`token`, or `address` for all clients of an address.'),
    quota: z.int().min(0).describe('Units in a full budget.'),
    perSecond: z.int().min(0).describe('Units that are added each second.'),
    remaining: z.int().describe('Units left.'),
    resetSeconds: z.int().min(0).describe('Seconds until the budget is full.'),
  })
  .meta({ id: 'ClientBudget', description: 'A rate limit of a client.' })

const clientSchema = z
  .object({
    id: z.string().describe('Id of the token, or of the subject of an identity provider; `operator` or `anyone` without one.'),
    actions: z.array(z.string()).describe('Actions that the client may perform.'),
    topics: z.array(z.string()).describe('Topics and patterns that the client may use.'),
    expiresAt: z.iso.datetime().nullable().describe('Time at which the token or the session expires; null for never.'),
    session: z.boolean().describe('Whether the request came with the cookie of a session.'),
    budgets: z.array(budgetSchema).describe('Rate limits of the client. A request takes its cost from each.'),
  })
  .meta({ id: 'ClientInfo', description: 'A client: what it may do, and how much.' })

const cookieHeader =
  'The session cookie: `HttpOnly`, `Max-Age` of the session, and `SameSite=Strict`, or `SameSite=None; Secure; Partitioned` for a page of another site. Its name is `__Host-peergate` over TLS.'

export const sessionContract = {
  getSession: declareRoute({
    method: 'GET',
    url: '/v1/session',
    config: {
      operation: {
        action: 'any',
        operationId: 'getSession',
        summary: 'Get the rights and budgets of this client',
        description: 'For any client: with a token, with the cookie of a session, or without either where no token is required.',
        tag: 'Access',
      },
    },
    schema: { querystring: noQuery, response: { 200: json('This client.', clientSchema, clientExample) } },
  }),
  openSession: declareRoute({
    method: 'POST',
    url: '/v1/session',
    config: {
      operation: {
        action: 'any',
        cost: 20,
        operationId: 'openSession',
        summary: 'Open a session',
        description:
          'For EventSource and web pages, which cannot set headers. The cookie contains its own secret, not the token. It is accepted only ' +
          'from pages that can use the gateway, at every gateway of the database. The session ends after `sessionMs`, with its ' +
          'token, or by `DELETE`. If the request already has a session, a request with a token replaces it; otherwise it continues.',
        repetition: 'A repetition without the cookie opens another session; beyond `maxSessionsPerToken` the oldest of the token ends.',
        tag: 'Access',
        problems: ['session_limit', 'store_unavailable'],
      },
    },
    schema: { querystring: noQuery, response: { 204: empty('The session is open.', { 'Set-Cookie': cookieHeader }) } },
  }),
  closeSession: declareRoute({
    method: 'DELETE',
    url: '/v1/session',
    config: {
      operation: {
        action: 'none',
        operationId: 'closeSession',
        summary: 'End the session',
        description: 'The cookie is refused from now on, at every gateway of the database. Streams of the session are closed.',
        tag: 'Access',
        problems: ['store_unavailable'],
      },
    },
    schema: { querystring: noQuery, response: { 204: empty('The session has ended.', { 'Set-Cookie': 'Deletes the session cookie.' }) } },
  }),
}

export function sessionRoutes(app: App, components: SessionComponents): void {
  const { sessions, rates, now = Date.now } = components

  app.route({
    ...sessionContract.getSession,
    handler: async ({ grant, client }) => ({
      id: grant.id,
      actions: [...grant.actions],
      topics: patternsOf(grant.topics),
      expiresAt: grant.expiresAt === undefined ? null : new Date(grant.expiresAt).toISOString(),
      session: grant.session !== undefined,
      budgets: rates.budgets({ grantId: grant.id, address: client.address }),
    }),
  })

  app.route({
    ...sessionContract.openSession,
    handler: async (request, reply) => {
      const token = tokenOf(request)
      if (request.grant.session !== undefined && token === undefined) return reply.code(204).send()
      const before = sessionOf(request)
      const opened = token === undefined ? undefined : await sessions.open(token, request.grant)
      if (before !== undefined) await sessions.close(before)
      const maxAgeSeconds = opened === undefined ? 0 : Math.max(0, Math.floor((opened.expiresAt - now()) / 1_000))
      const session = opened && { secret: opened.secret, maxAgeSeconds }
      return reply.code(204).header('set-cookie', sessionCookie(request, session)).send()
    },
  })

  app.route({
    ...sessionContract.closeSession,
    handler: async (request, reply) => {
      const session = sessionOf(request)
      if (session !== undefined) await sessions.close(session)
      return reply.code(204).header('set-cookie', sessionCookie(request, undefined)).send()
    },
  })
}
