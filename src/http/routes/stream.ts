import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { InvalidRequest, UpgradeRequired } from '../../errors.ts'
import { adopt } from '../../lib/adopt-socket.ts'
import { positionSchema } from '../../model/cursor.ts'
import { wantedEncodingSchema } from '../../model/payload.ts'
import { chooseSubprotocol, codecFor, subprotocols } from '../../stream/codec.ts'
import type { Stream } from '../../stream/stream.ts'
import { beginEvents, eventHeaders } from '../event-answer.ts'
import { flagQuery, topicsQuery } from '../inputs.ts'
import { type App, declareRoute, empty } from '../operation.ts'
import { patternsOfSubscription } from '../topic-rights.ts'

export const streamPath = '/v1/stream'
/** Maximum characters of all header fields, the limit of Node.js, which refuses longer ones first. */
const maxHeadersLength = 16_384

export const streamContract = {
  openStream: declareRoute({
    method: 'GET',
    url: streamPath,
    config: {
      operation: {
        action: 'any',
        cost: 10,
        topics: 'frames',
        operationId: 'openStream',
        summary: 'Open a stream of messages (WebSocket)',
        description:
          'A WebSocket of frames, specified in docs/stream-protocol.md. The parameters create the unnamed subscription; without `topic` there ' +
          'is no subscription until the client sends `subscribe`. A browser, which cannot set headers, offers its token in a subprotocol beside ' +
          '`peergate.v1.json`: `peergate.bearer.` followed by the token in unpadded base64url. It is refused by an `error` frame and a close code.',
        tag: 'Stream',
        problems: ['upgrade_required', 'connection_limit', 'draining'],
      },
    },
    schema: {
      querystring: z.strictObject({
        topic: topicsQuery.optional(),
        direct: flagQuery.describe('Whether to include direct messages; the token must allow `direct`.'),
        after: positionSchema.optional().describe('Position after which the subscription begins. Default: `latest`.'),
        encoding: wantedEncodingSchema,
      }),
      response: {
        101: empty('The stream is open.', {
          'Sec-WebSocket-Protocol': 'The first of `peergate.v1.json` and `peergate.v1.cbor` that the client offered.',
        }),
      },
    },
  }),
  openEvents: declareRoute({
    method: 'GET',
    url: '/v1/events',
    config: {
      operation: {
        action: 'read',
        cost: 10,
        topics: patternsOfSubscription,
        operationId: 'openEvents',
        summary: 'Follow topics (server-sent events)',
        description:
          'For EventSource and any client that can read a long response. Events are `message`, `caught-up`, `progress`, `gap`, `peer`, `delivery` and `closing`. ' +
          'The data of an event is the stream frame of that name (docs/stream-protocol.md), and its id is the position to resume from.',
        tag: 'Stream',
        problems: ['invalid_cursor', 'topic_limit', 'connection_limit', 'draining', 'store_unavailable'],
      },
    },
    schema: {
      querystring: z.strictObject({
        topic: topicsQuery.optional(),
        direct: flagQuery.describe('Whether to include direct messages; the token must allow `direct`.'),
        deliveries: flagQuery.describe('Whether to include changes of deliveries; the token must allow `direct`.'),
        after: positionSchema
          .optional()
          .describe(
            'Position after which the events begin. Default: `latest`. Messages that are no longer stored are reported by a `gap`.',
          ),
        encoding: wantedEncodingSchema,
        peers: flagQuery.describe('Whether to include changes of peers.'),
      }),
      headers: z.looseObject({
        'last-event-id': z
          .string()
          .max(maxHeadersLength)
          .optional()
          .describe(
            'Position to resume from, sent by EventSource automatically. Takes precedence over `after`. An invalid cursor is reported by a `gap`.',
          ),
      }),
      response: {
        200: {
          description: 'Events, until either side closes the connection.',
          headers: {},
          content: { 'text/event-stream': { schema: z.string() } },
        },
      },
    },
  }),
}

export function streamRoutes(app: App, components: { stream: Pick<Stream, 'admit' | 'accept' | 'acceptEvents' | 'refuse'> }): void {
  const { stream } = components

  app.route({
    ...streamContract.openStream,
    preHandler: async (request, reply) => {
      if (!request.ws) return
      checkHandshake(request, reply)
      if (request.refusal === undefined) stream.admit({ grantId: request.grant.id, address: request.client.address })
      // An attached response would keep the whole request in memory for the lifetime of the stream.
      reply.raw.detachSocket(request.raw.socket)
    },
    handler: async (_request, reply) => {
      throw upgradeRequired(reply)
    },
    wsHandler: (socket, { query, headers, raw, grant, client: { address }, refusal }) => {
      // The plugin's own listener would keep the whole request in memory for the lifetime of the stream.
      socket.removeAllListeners('error')
      adopt(socket)
      const codec = codecFor(socket.protocol, inflates(socket, headers))
      if (refusal !== undefined) stream.refuse(socket, raw.socket, codec, refusal)
      else
        stream.accept(socket, raw.socket, codec, {
          grant,
          address,
          topics: query.topic ?? [],
          direct: query.direct,
          after: query.after,
          encoding: query.encoding,
        })
    },
  })

  app.route({
    ...streamContract.openEvents,
    handler: async ({ method, query: { topic = [], after, ...query }, headers, grant, client: { address } }, reply) => {
      if (topic.length === 0 && !query.direct && !query.deliveries && !query.peers) throw nothingAsked()
      // The answer to a HEAD has no body that could go on.
      if (method === 'HEAD') return reply.headers(eventHeaders).send('')
      const lastEventId = headers['last-event-id'] === '' ? undefined : headers['last-event-id']
      await stream.acceptEvents({ grant, address, topics: topic, lastEventId, after, ...query }, () => beginEvents(reply))
    },
  })
}

/**
 * Whether the client inflates messages that are compressed with the full window. A client that asked for a smaller one
 * gets plain messages, which RFC 7692 §6 allows at any time.
 */
function inflates({ extensions }: { extensions: string }, headers: FastifyRequest['headers']): boolean {
  return extensions.includes('permessage-deflate') && !headers['sec-websocket-extensions']?.includes('server_max_window_bits')
}

/** RFC 6455 §4.2.1: checks what the WebSocket library would refuse in plain text, and the offered subprotocols. */
function checkHandshake({ headers }: FastifyRequest, reply: FastifyReply): void {
  if (headers['sec-websocket-version'] !== '13') throw upgradeRequired(reply)
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers['sec-websocket-key'] ?? '')) throw new InvalidRequest('The Sec-WebSocket-Key is not valid.')
  const offered = headers['sec-websocket-protocol']?.split(',').map((name) => name.trim())
  if (offered !== undefined && chooseSubprotocol(offered) === undefined) {
    throw new InvalidRequest(`The stream supports the subprotocols ${subprotocols.join(' and ')}; offer one of them, or none.`)
  }
}

function nothingAsked(): InvalidRequest {
  const message = 'is missing: name a topic, or ask for `direct`, `deliveries` or `peers`'
  return new InvalidRequest(`The query is not valid: topic ${message}.`, { errors: [{ path: '/topic', message }] })
}

function upgradeRequired(reply: FastifyReply): UpgradeRequired {
  reply.headers({ upgrade: 'websocket', connection: 'upgrade, close', 'sec-websocket-version': '13' })
  return new UpgradeRequired(
    `Open this address with a WebSocket client (RFC 6455, version 13), as ws://<host>${streamPath}?topic=<topic>; GET /v1/messages reads messages over plain HTTP.`,
  )
}
