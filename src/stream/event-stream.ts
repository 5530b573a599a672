import type { ServerResponse } from 'node:http'
import { clientKey } from '../access/client-key.ts'
import { CursorAhead, CursorEpochMismatch, CursorExpired, InvalidCursor, toPeergateError } from '../errors.ts'
import { formatCursor, parseCursor } from '../model/cursor.ts'
import { type Grant, visibleTo } from '../model/grant.ts'
import { type TopicFilter, topicFilter, withDirect } from '../model/topic.ts'
import type { ClientConnection, QuerySubscription, StreamComponents, StreamLimits } from './client.ts'
import { eventWriter } from './codec.ts'
import { createExpiry } from './expiry.ts'
import type { Interests } from './interest.ts'
import { createOutlet } from './outlet.ts'
import { createPump } from './pump.ts'
import { comment, createResponseSink } from './response-sink.ts'
import type { ServerFrame } from './server-frames.ts'
import { createSubscription, type Subscription } from './subscription.ts'

/** What a client of server-sent events asks for. The operation `openEvents` has checked what its token allows. */
export interface EventQuery extends QuerySubscription {
  /** `Last-Event-ID`, which EventSource sends when it reconnects. Overrides `after` and is never refused. */
  lastEventId?: string | undefined
  peers: boolean
  grant: Grant
  address: string
}

/** The start of an event stream, and the gap that has to be sent first. */
export interface EventStart {
  filter: TopicFilter
  seq: number
  pruneCount: number
  gap: ServerFrame | undefined
  /** Held by the subscription. */
  interest: Disposable
}

/**
 * Joins the topics and resolves the position. EventSource gives up for good on a status other than 200. So a position
 * of another log, or a `Last-Event-ID` that is not a cursor, leads to a `gap` and then to all stored messages. After an
 * expired position the subscription continues and announces what was pruned.
 * @throws InvalidCursor (of `after`), TopicLimit, RateLimited, StoreUnavailable
 */
export async function startEvents(
  query: EventQuery,
  components: Pick<StreamComponents, 'history' | 'rates'> & { interests: Interests },
): Promise<EventStart> {
  const { history, interests, rates } = components
  const pay = (units: number) => void rates.take({ grantId: query.grant.id, address: query.address }, units)
  const filter = withDirect(topicFilter(query.topics), query.direct)
  using held = new DisposableStack()
  held.use(await interests.open(clientKey({ grantId: query.grant.id, address: query.address }), filter))
  const position = query.lastEventId ?? query.after ?? 'latest'
  try {
    const start = await history.resolve(position, filter, { pay })
    return { filter, ...start, gap: undefined, interest: held.move() }
  } catch (error) {
    if (error instanceof CursorExpired) {
      const { seq, pruneCount = 0 } = parseCursor(position)
      return { filter, seq, pruneCount, gap: undefined, interest: held.move() }
    }
    if (!isForeign(error) && !(error instanceof InvalidCursor && query.lastEventId !== undefined)) throw error
    const start = await history.resolve('earliest', filter, { pay })
    // Only a cursor of another log can be named as the start of the gap. Others are past the end, or are not cursors.
    const from = error instanceof CursorEpochMismatch ? position : formatCursor(parseCursor(start.cursor).epoch, 0)
    return { filter, ...start, gap: { type: 'gap', from, to: start.cursor, reason: 'other-log' }, interest: held.move() }
  }
}

function isForeign(error: unknown): boolean {
  return error instanceof CursorEpochMismatch || error instanceof CursorAhead
}

/** Milliseconds after which a client that lost its connection should reconnect. */
const reconnectMs = 1_000

/** The first line of the next event: some clients take every blank line for the end of an event. */
function retryLine(retryAfterMs: number): string {
  return `retry: ${retryAfterMs}\n`
}

export interface EventStreamInit {
  limits: StreamLimits
  query: EventQuery
  start: EventStart
}

export interface EventStreamComponents extends Pick<StreamComponents, 'hub' | 'logger' | 'answerBytes' | 'now'> {
  /** A response whose headers were written. */
  response: ServerResponse
  onClose(): void
}

/** Sends one subscription as server-sent events. */
export function createEventStream(init: EventStreamInit, components: EventStreamComponents): ClientConnection {
  const { limits, query, start } = init
  const { hub, logger, answerBytes, response, onClose, now = Date.now } = components
  const sink = createResponseSink(response)
  const outlet = createOutlet(limits, {
    sink,
    writer: eventWriter,
    room: (bytes) => answerBytes.take({ grantId: query.grant.id, address: query.address }, bytes),
    onDrain: () => pump.run(),
    onTooSlow: () => void response.destroy(),
  })
  const subscription: Subscription = createSubscription(
    {
      name: undefined,
      client: clientKey({ grantId: query.grant.id, address: query.address }),
      filter: start.filter,
      encoding: query.encoding ?? 'utf8',
      peers: query.peers,
      deliveries: query.deliveries === true,
      after: start.seq,
      prunedSince: start.pruneCount,
      gaps: new Map(),
      interest: start.interest,
      maxStepBytes: limits.maxSocketBufferBytes,
    },
    { hub, outlet, onReady: () => pump.run() },
  )
  const pump = createPump({ sources: [subscription], outlet, onError: giveUp })

  /** The database could not be read. The client is told why, reconnects and resumes. */
  function giveUp(err: unknown): void {
    logger.warn({ err }, 'an event stream failed because the log could not be read')
    const { code, retryAfterMs = reconnectMs } = toPeergateError(err)
    sendClosing(code, retryAfterMs)
    response.end()
  }

  function sendClosing(reason: string, retryAfterMs: number): void {
    if (!sink.isOpen) return
    response.write(retryLine(retryAfterMs))
    outlet.send({ type: 'closing', reason, retryAfterMs })
  }

  // Server-sent events have no close code: a client whose token expires learns of it when it reconnects.
  const expiry = createExpiry(query.grant.expiresAt, now, () => void response.destroy())

  function end(): void {
    expiry[Symbol.dispose]()
    subscription.close()
    onClose()
  }

  // The client may have disconnected while the position was looked up.
  if (response.destroyed) queueMicrotask(end)
  else response.once('close', end)
  response.write(retryLine(reconnectMs))
  if (start.gap !== undefined) outlet.send(start.gap)
  pump.run()

  return {
    grantId: query.grant.id,
    session: query.grant.session,
    address: query.address,
    revoke: () => void response.destroy(),
    beat() {
      if (!outlet.writable) return
      if (subscription.ready) response.write(comment)
      else subscription.reportProgress()
    },
    notifyPeer(event, peer) {
      if (query.peers && outlet.writable) outlet.send({ type: 'peer', event, peer: visibleTo(query.grant, peer) })
    },
    notifyDelivery(delivery) {
      if (query.deliveries === true && outlet.writable) outlet.send({ type: 'delivery', delivery })
    },
    positions: () => [subscription.position],
    interrupt: () => void response.destroy(),
    async drain(retryAfterMs) {
      if (!sink.isOpen) return
      sendClosing('draining', retryAfterMs)
      await new Promise<void>((resolve) => {
        response.once('close', resolve)
        response.end(resolve)
      })
    },
  }
}
