import type { Sessions } from '../../access/sessions.ts'
import { tokenOf } from '../authenticate.ts'
import { type App, empty, noQuery } from '../operation.ts'
import { sessionCookie, sessionOf } from '../session-cookie.ts'

export interface SessionComponents {
  sessions: Pick<Sessions, 'open' | 'close'>
  /** Wall time, milliseconds since 1970. */
  now?: (() => number) | undefined
}

const cookieHeader =
  'The session cookie: `HttpOnly`, `Max-Age` of the session, and `SameSite=Strict`, or `SameSite=None; Secure; Partitioned` for a page of another site. Its name is `__Host-peergate` over TLS.'

export function sessionRoutes(app: App, components: SessionComponents): void {
  const { sessions, now = Date.now } = components

  app.route({
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
        tag: 'Access',
        problems: ['session_limit', 'store_unavailable'],
      },
    },
    schema: { querystring: noQuery, response: { 204: empty('The session is open.', { 'Set-Cookie': cookieHeader }) } },
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
    handler: async (request, reply) => {
      const session = sessionOf(request)
      if (session !== undefined) await sessions.close(session)
      return reply.code(204).header('set-cookie', sessionCookie(request, undefined)).send()
    },
  })
}
