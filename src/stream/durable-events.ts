import type { ServerResponse } from 'node:http'
import { clientKey } from '../access/client-key.ts'
import type { HubStep } from '../log/hub.ts'
import type { Start } from '../log/positions.ts'
import { collapsingCursor } from '../model/collapsing-cursor.ts'
import type { Seq } from '../model/cursor.ts'
import type { Grant } from '../model/grant.ts'
import { formatOffset } from '../model/offset.ts'
import { exactly } from '../model/topic.ts'
import type { ClientConnection, StreamComponents, StreamLimits } from './client.ts'
import { type Control, createDurableWriter } from './codec.ts'
import { createExpiry } from './expiry.ts'
import { createOutlet } from './outlet.ts'
import { createPump, type Source } from './pump.ts'
import { comment, createResponseSink } from './response-sink.ts'

/** What a client of the Durable Streams protocol follows. The operation has checked what its token allows. */
export interface DurableQuery {
  topic: string
  start: Start
  /** The `cursor` that the client has sent. */
  cursor?: string | undefined
  grant: Grant
  address: string
}

export interface DurableEventsInit {
  limits: StreamLimits
  query: DurableQuery
  /** How long a connection lasts, in milliseconds. */
  lastsMs?: number
}

export interface DurableEventsComponents extends Pick<StreamComponents, 'hub' | 'logger' | 'answerBytes' | 'now'> {
  /** A response whose headers were written. */
  response: ServerResponse
  onClose(): void
}

/** The protocol ends connections after about a minute (§10.2), so that caches can join clients that read the same. */
const connectionMs = 60_000

/** Follows a topic by server-sent events of the Durable Streams protocol. */
export function createDurableEvents(init: DurableEventsInit, components: DurableEventsComponents): ClientConnection {
  const { limits, query, lastsMs = connectionMs } = init
  const { hub, logger, answerBytes, response, onClose, now = Date.now } = components
  const { grant, address, start } = query
  const client = clientKey({ grantId: grant.id, address })
  const filter = exactly(query.topic)
  const firstCursor = collapsingCursor(now(), query.cursor)
  const sink = createResponseSink(response)
  const outlet = createOutlet(limits, {
    sink,
    writer: createDurableWriter({ controlAfter: ({ message: { seq } }) => controlAt(seq, seq === newest) }),
    room: (bytes) => answerBytes.take({ grantId: grant.id, address }, bytes),
    onDrain: () => pump.run(),
    onTooSlow: () => void response.destroy(),
  })
  let position = start.seq
  /** The last message that was sent; before the first one, the start. */
  let told = start.seq
  let isReady = true
  let patience: NodeJS.Timeout | undefined
  let hasToldEnd = false
  /** The last message of a step that reached the end of the log. */
  let newest: Seq | undefined

  const source: Source = {
    get ready() {
      return isReady && sink.isOpen
    },
    advance() {
      const step = hub.read(position, filter, limits.maxSocketBufferBytes, start.pruneCount, client)
      return step instanceof Promise ? step.then(deliver) : deliver(step)
    },
  }
  const pump = createPump({ sources: [source], outlet, onError: giveUp })
  const unfollow = hub.follow(filter, (first) => {
    if (isReady) return
    position = Math.max(position, first - 1)
    isReady = true
    pump.run()
  })

  function deliver({ entries, scanned, prunes }: HubStep): void {
    if (prunes !== undefined && prunes.topics.length > 0) {
      // The protocol has no gap: the client reconnects with an offset that is answered by 410.
      end()
      return
    }
    const isAtEnd = scanned >= hub.tip
    newest = isAtEnd ? entries.at(-1)?.message.seq : undefined
    outlet.together(() => {
      for (const entry of entries) {
        hub.traffic.delivered(query.topic)
        outlet.sendEntry(entry, { encoding: 'utf8', name: undefined })
      }
      told = entries.at(-1)?.message.seq ?? told
      if (isAtEnd && newest === undefined && !hasToldEnd) outlet.send(controlAt(told, true))
    })
    hasToldEnd ||= isAtEnd
    position = scanned
    isReady = !isAtEnd
  }

  function controlAt(seq: Seq, upToDate: boolean): Control {
    return {
      streamNextOffset: formatOffset({ epoch: hub.epoch, seq, pruneCount: start.pruneCount }),
      streamCursor: String(Math.max(firstCursor, collapsingCursor(now(), undefined))),
      ...(upToDate ? { upToDate } : {}),
    }
  }

  /** The client reconnects, and resumes after the last `control`. One that does not read what was sent is cut. */
  function end(): void {
    if (!sink.isOpen) return
    response.end()
    patience = setTimeout(() => void response.destroy(), limits.slowClientMs).unref()
  }

  function giveUp(err: unknown): void {
    logger.warn({ err }, 'a durable stream failed because the log could not be read')
    end()
  }

  const expiry = createExpiry(grant.expiresAt, now, () => void response.destroy())
  const turn = setTimeout(end, lastsMs).unref()

  function close(): void {
    clearTimeout(turn)
    clearTimeout(patience)
    expiry[Symbol.dispose]()
    unfollow()
    onClose()
  }

  // The client may have disconnected while the position was looked up.
  if (response.destroyed) queueMicrotask(close)
  else response.once('close', close)
  pump.run()

  return {
    grantId: grant.id,
    session: grant.session,
    address,
    revoke: () => void response.destroy(),
    beat() {
      if (outlet.writable) response.write(comment)
    },
    notifyPeer() {},
    notifyDelivery() {},
    positions: () => [isReady ? position : Math.max(position, hub.tip)],
    interrupt: () => void response.destroy(),
    async drain() {
      if (!sink.isOpen) return
      await new Promise<void>((resolve) => {
        response.once('close', resolve)
        response.end(resolve)
      })
    },
  }
}
