import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { InvalidRequest, UpgradeRequired } from '../../errors.ts'
import { positionSchema } from '../../model/cursor.ts'
import { encodingSchema } from '../../model/payload.ts'
import type { Stream } from '../../stream/stream.ts'
import { topicsQuery } from '../inputs.ts'
import { type App, empty } from '../operation.ts'

export const streamPath = '/v1/stream'
export const subprotocol = 'peergate.v1.json'

export function streamRoutes(app: App, components: { stream: Pick<Stream, 'admit' | 'accept'> }): void {
  const { stream } = components

  app.route({
    method: 'GET',
    url: streamPath,
    config: {
      operation: {
        action: 'read',
        operationId: 'openStream',
        summary: 'Open a stream of messages (WebSocket)',
        description:
          'A WebSocket of JSON frames, specified in docs/stream-protocol.md. The parameters make the unnamed subscription at once; ' +
          'without `topic` there is none until the client asks for one.',
        tag: 'Stream',
        problems: ['upgrade_required', 'invalid_topic', 'connection_limit', 'draining'],
      },
    },
    schema: {
      querystring: z.strictObject({
        topic: topicsQuery.optional(),
        after: positionSchema.optional().describe('Where the subscription begins; `latest` when absent.'),
        encoding: encodingSchema.optional().describe('`base64` to have all data so.'),
      }),
      response: { 101: empty('The stream is open.', { 'Sec-WebSocket-Protocol': `\`${subprotocol}\`, when the client offered it.` }) },
    },
    preHandler: async (request, reply) => {
      if (!request.ws) return
      checkHandshake(request, reply)
      stream.admit()
    },
    handler: async (_request, reply) => {
      throw upgradeRequired(reply)
    },
    wsHandler: (socket, { query }) => stream.accept(socket, { topics: query.topic ?? [], after: query.after, encoding: query.encoding }),
  })
}

/** RFC 6455 §4.2.1; what the WebSocket library would refuse in plain text, and subprotocols that we don't speak. */
function checkHandshake({ headers }: FastifyRequest, reply: FastifyReply): void {
  if (headers['sec-websocket-version'] !== '13') throw upgradeRequired(reply)
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '')) throw new InvalidRequest('The Sec-WebSocket-Key is not valid.')
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim())
  if (offered !== undefined && !offered.includes(subprotocol)) {
    throw new InvalidRequest(`This stream speaks the subprotocol ${subprotocol}; offer it, or none.`)
  }
}

function upgradeRequired(reply: FastifyReply): UpgradeRequired {
  reply.headers({ upgrade: 'websocket', connection: 'upgrade, close', 'sec-websocket-version': '13' })
  return new UpgradeRequired(
    `Open this address with a WebSocket client (RFC 6455, version 13), as ws://<host>${streamPath}?topic=<topic>; GET /v1/messages reads messages by plain HTTP.`,
  )
}
