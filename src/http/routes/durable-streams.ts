import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Rates } from '../../access/rates.ts'
import { CursorAhead, CursorEpochMismatch, CursorExpired, OffsetGone } from '../../errors.ts'
import { stringifyJson } from '../../lib/json-text.ts'
import type { History, Page, PageOptions } from '../../log/history.ts'
import { collapsingCursor } from '../../model/collapsing-cursor.ts'
import { parseCursor } from '../../model/cursor.ts'
import { type MessageView, messageSchema, messageView } from '../../model/message.ts'
import { cursorOfOffset, formatOffset, offsetPattern } from '../../model/offset.ts'
import { exactly } from '../../model/topic.ts'
import type { Stream } from '../../stream/stream.ts'
import type { Topics } from '../../topics/topics.ts'
import { matchesTag } from '../entity-tag.ts'
import { beginEvents } from '../event-answer.ts'
import { messageExample } from '../examples.ts'
import { maxPageSize, topicParams } from '../inputs.ts'
import { type App, declareRoute, empty, json } from '../operation.ts'
import { pageOptions } from '../page-options.ts'
import { topicOfPath } from '../topic-rights.ts'

export interface DurableStreamInit {
  /** How long a long poll waits, in milliseconds. */
  longPollMs?: number
}

/** Less than the protocol's clients wait, the least patient 30 s. */
const defaultLongPollMs = 20_000
/** What a connection of events costs more than a page, as `openEvents` does. */
const eventsCost = 5
const readCost = 5

const headers = {
  'Stream-Next-Offset': 'The offset to continue from.',
  'Stream-Up-To-Date': '`true` when there was nothing more.',
  'Stream-Cursor': 'The `cursor` of the next live request.',
}

/** The read half of the Durable Streams protocol: a topic is a stream of JSON, its items are messages. */
export const durableStreamContract = {
  readStream: declareRoute({
    method: 'GET',
    url: '/v1/streams/:topic',
    config: {
      operation: {
        action: 'read',
        cost: readCost,
        topics: topicOfPath,
        operationId: 'readStream',
        summary: 'Read a topic as a durable stream',
        tag: 'Messages',
        specifiedBy: 'https://github.com/durable-streams/durable-streams/blob/main/PROTOCOL.md',
        problems: ['topic_not_found', 'offset_gone', 'connection_limit', 'draining', 'overloaded', 'store_unavailable'],
      },
    },
    schema: {
      params: topicParams,
      // Unknown parameters are ignored, as the protocol asks.
      querystring: z
        .object({
          offset: z.string().max(64).regex(offsetPattern, 'must be an offset of this stream, "-1" or "now"').optional(),
          live: z.enum(['long-poll', 'sse']).optional(),
          cursor: z.string().max(64).optional(),
        })
        .refine(({ live, offset }) => live === undefined || offset !== undefined, { path: ['offset'], message: 'is required with live' }),
      response: {
        200: json('Messages, oldest first; with `live=sse` as server-sent events.', z.array(messageSchema), [messageExample], headers),
        204: empty('No message came while the request waited.', headers),
        304: empty('The messages are those that If-None-Match names.', headers),
      },
    },
  }),
}

type Read = z.infer<typeof durableStreamContract.readStream.schema.querystring>

export function durableStreamRoutes(
  app: App,
  init: DurableStreamInit,
  components: {
    history: Pick<History, 'page' | 'resolve'>
    topics: Pick<Topics, 'read' | 'require'>
    rates: Pick<Rates, 'take'>
    stream: Pick<Stream, 'acceptDurable'>
    now?: () => number
  },
): void {
  const { longPollMs = defaultLongPollMs } = init
  const { history, topics, rates, stream, now = Date.now } = components

  app.route({
    ...durableStreamContract.readStream,
    handler: async ({ method, params: { topic }, query, grant, client, headers: sent }, reply) => {
      const options = pageOptions({ grant, client }, reply, rates)
      await topics.require(topic)
      topics.read(topic, options.client)
      const start = query.offset === 'now' || method === 'HEAD' ? await tailOf(topic, options) : query.offset
      if (start !== undefined && (method === 'HEAD' || (query.offset === 'now' && query.live === undefined))) {
        describe(reply, { next: start, upToDate: true })
        return sendItems(reply, [])
      }
      if (query.live === 'sse') {
        options.pay(eventsCost)
        const place = await unlessGone(() => history.resolve(positionOf(start), exactly(topic)))
        stream.acceptDurable({ topic, start: place, cursor: query.cursor, grant, address: client.address }, () =>
          beginEvents(reply, { 'content-type': 'text/event-stream', 'cache-control': 'no-store, no-cache' }),
        )
        return reply
      }
      const page = await unlessGone(() => readFrom(topic, start, query, options))
      const next = nextOffset(page, start)
      describe(reply, { next, upToDate: page.caughtUp })
      if (query.live === 'long-poll') {
        reply.header('stream-cursor', String(collapsingCursor(now(), query.cursor)))
        if (page.items.length === 0 && page.removed.length === 0 && page.caughtUp) return reply.code(204).send()
      }
      return sendPage({ reply, page, sent, etag: `"${query.offset ?? '-1'}:${next}:${page.items.length}"`, isNow: query.offset === 'now' })
    },
  })

  function readFrom(topic: string, start: string | undefined, { live }: Read, options: PageOptions): Promise<Page> {
    const waitMs = live === 'long-poll' ? longPollMs : 0
    return history.page({ topics: exactly(topic), after: positionOf(start), order: 'asc', limit: maxPageSize, waitMs }, options)
  }

  /** The offset after the newest message of the topic, which messages of other topics leave as it is. */
  async function tailOf(topic: string, options: PageOptions): Promise<string> {
    const page = await history.page({ topics: exactly(topic), order: 'desc', limit: 1 }, options)
    const { epoch, seq } = parseCursor(page.newer)
    return formatOffset({ epoch, seq: newestIn(page) ?? seq })
  }
}

function positionOf(offset = '-1'): string {
  return offset === '-1' ? 'earliest' : cursorOfOffset(offset)
}

/** Every position that cannot be continued from has one answer in the protocol. */
async function unlessGone<Result>(read: () => Promise<Result>): Promise<Result> {
  try {
    return await read()
  } catch (error) {
    if (!(error instanceof CursorExpired || error instanceof CursorEpochMismatch || error instanceof CursorAhead)) throw error
    throw new OffsetGone(`${error.title}. Read the stream from offset "-1".`, { cause: error })
  }
}

/** Of a page that reached the end, the place of its last message: the end of the log moves with other topics. */
function nextOffset(page: Page, start: string | undefined): string {
  const { seq, ...rest } = parseCursor(page.newer)
  if (!page.caughtUp) return formatOffset({ seq, ...rest })
  const newest = newestIn(page)
  if (newest === undefined && start !== undefined && start !== '-1') return start
  return formatOffset({ seq: newest ?? seq, ...rest })
}

function newestIn({ items, removed }: Page): number | undefined {
  const seqs = [...items, ...removed].map(({ seq }) => seq)
  return seqs.length === 0 ? undefined : Math.max(...seqs)
}

function describe(reply: FastifyReply, { next, upToDate }: { next: string; upToDate: boolean }): void {
  reply.header('stream-next-offset', next)
  if (upToDate) reply.header('stream-up-to-date', 'true')
}

interface PageAnswer {
  reply: FastifyReply
  page: Page
  sent: FastifyRequest['headers']
  etag: string
  /** Whether the start of the page is not in its address: then it is no page to keep. */
  isNow: boolean
}

function sendPage({ reply, page, sent, etag, isNow }: PageAnswer): FastifyReply {
  if (!isNow) {
    // A reader at the end asks again for what may have come since. A full page is kept, for the client that may read it.
    const freshness = page.caughtUp ? 'no-cache' : 'max-age=60'
    reply.headers({ etag: `W/${etag}`, 'cache-control': `private, ${freshness}`, vary: 'Origin, Authorization, Cookie' })
    if (matchesTag(sent['if-none-match'], etag)) return reply.code(304).send()
  }
  return sendItems(
    reply,
    page.items.map((message) => messageView(message, page.epoch)),
  )
}

/** As bytes: the protocol's content type has no charset, which is added to that of text. */
function sendItems(reply: FastifyReply, items: MessageView[]): FastifyReply {
  return reply.header('content-type', 'application/json').send(Buffer.from(stringifyJson(items)))
}
