import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import { addressKey, clientKey } from '../access/client-key.ts'
import { createClientShares } from '../access/client-shares.ts'
import { ofEndedToken } from '../access/endings.ts'
import type { RateClient } from '../access/rates.ts'
import { ConnectionLimit, Draining, type PeergateError } from '../errors.ts'
import { createWatchers } from '../lib/watchers.ts'
import { formatCursor } from '../model/cursor.ts'
import type { ClientConnection, ClientInfo, QuerySubscription, StreamComponents, StreamLimits } from './client.ts'
import type { Codec } from './codec.ts'
import { createCommands } from './commands.ts'
import { createConnection } from './connection.ts'
import { createDurableEvents, type DurableQuery } from './durable-events.ts'
import { createEventStream, type EventQuery, startEvents } from './event-stream.ts'
import { createInterests } from './interest.ts'
import { errorFrame } from './server-frames.ts'
import { createWebSocketSink } from './web-socket-sink.ts'

/**
 * The clients of this gateway that follow the log, by WebSocket or server-sent events. Owns their connections and
 * subscriptions. Does not own the log, or the HTTP server that the connections come from.
 */
export interface Stream {
  start(): Promise<void>
  /**
   * Checks whether another connection of this client is allowed.
   * @throws ConnectionLimit
   * @throws Draining
   */
  admit(client: RateClient): void
  /** Takes over a socket after its upgrade. Must be called in the same tick. */
  accept(socket: WebSocket, wire: Socket, codec: Codec, query: QuerySubscription & ClientInfo): void
  /** Sends the error to a client whose upgrade is done, and closes its socket. */
  refuse(socket: WebSocket, wire: Socket, codec: Codec, error: PeergateError): void
  /**
   * Sends server-sent events as the body of a response. Calls `open` for the response after all checks have passed.
   * @throws InvalidCursor, TopicLimit, StoreUnavailable, and what `admit` throws
   */
  acceptEvents(query: EventQuery, open: () => ServerResponse): Promise<void>
  /** The same for a client of the Durable Streams protocol. @throws what `admit` throws, and InvalidToken */
  acceptDurable(query: DurableQuery, open: () => ServerResponse): void
  readonly connections: number
  /** The number of subscriptions, and the largest distance of one from the tip of the log, in seqs. */
  readonly readers: { subscriptions: number; maxLag: number }
  /** Ids of the tokens of the connections. */
  readonly grants: Set<string>
  /** Ids of the sessions of the connections. */
  readonly sessions: Set<string>
  /** Calls the watcher when a connection was opened. Returns a function that ends the watch. */
  watchOpened(watcher: () => void): () => void
  /** Announces the shutdown to every client, finishes their pending work and closes. Idempotent. */
  stop(): Promise<void>
}

/**
 * Clients reconnect at random times within this period after a shutdown, so that they do not all reach the next gateway
 * at once.
 */
const reconnectSpreadMs = 5_000

export function createStream(init: { limits: StreamLimits }, components: StreamComponents): Stream {
  const { limits } = init
  const { hub, peers, identity, logger, now = Date.now } = components
  const interests = createInterests(init, components)
  const commands = createCommands(init, { ...components, interests })
  const connections = new Set<ClientConnection>()
  const max = limits.maxStreamConnections
  const byClient = createClientShares({ max, maxPerClient: limits.maxStreamConnectionsPerToken, limits })
  const byAddress = createClientShares({ max, maxPerClient: limits.maxStreamConnectionsPerAddress, limits })
  const opened = createWatchers()
  components.deliveries.watch((delivery) => {
    for (const connection of connections) connection.notifyDelivery(delivery)
  })
  components.endings.watchAll((id) => {
    for (const connection of connections) if (connection.grantId === id || connection.session === id) connection.revoke()
  })
  // The positions of clients are no longer valid, which they learn when they resume.
  components.tail.watchReset(() => {
    for (const connection of connections) connection.interrupt()
  })
  let heartbeat: NodeJS.Timeout | undefined
  let unwatch: (() => void) | undefined
  let stopping: Promise<void> | undefined

  function beat(): void {
    for (const connection of connections) connection.beat()
  }

  function admit(client: RateClient): void {
    if (stopping !== undefined) throw new Draining('This gateway is shutting down. Reconnect in a moment.', { retryAfterMs: 1_000 })
    components.load.check()
    const full = capMet(client)
    if (full !== undefined) throw new ConnectionLimit(full, { retryAfterMs: 5_000 })
  }

  function admitEvents({ grant, address }: ClientInfo): void {
    admit({ grantId: grant.id, address })
    if (components.endings.has(grant)) throw ofEndedToken()
  }

  /** The cap on connections that is reached, as the text of an error. */
  function capMet(client: RateClient): string | undefined {
    const refusals = [byClient.refusal(clientKey(client)), byAddress.refusal(addressKey(client.address))]
    if (refusals.includes('all')) return `This gateway allows at most ${max} stream connections.`
    if (refusals[0] !== undefined) return `This client has reached its share of ${byClient.held(clientKey(client))} stream connections.`
    if (refusals[1] !== undefined)
      return `This address has reached its share of ${byAddress.held(addressKey(client.address))} stream connections.`
    return undefined
  }

  /** Returns a function that removes the connection. */
  function add(connection: ClientConnection): () => void {
    const places = [byClient.hold(clientKey(connection), 1), byAddress.hold(addressKey(connection.address), 1)]
    connections.add(connection)
    opened.tell()
    return () => {
      connections.delete(connection)
      for (const place of places) place[Symbol.dispose]()
    }
  }

  async function drain(): Promise<void> {
    clearInterval(heartbeat)
    unwatch?.()
    await Promise.all([...connections].map((connection) => connection.drain(Math.round(Math.random() * reconnectSpreadMs))))
  }

  return {
    async start() {
      stopping = undefined
      heartbeat = setInterval(beat, limits.heartbeatMs)
      unwatch = peers.watch((event, peer) => {
        for (const connection of connections) connection.notifyPeer(event, peer)
      })
    },
    admit,
    async acceptEvents(query, open) {
      const start = await startEvents(query, { ...components, interests })
      using unused = new DisposableStack()
      unused.use(start.interest)
      admitEvents(query)
      // From here on the subscription releases the interest.
      unused.move()
      const client = createEventStream({ limits, query, start }, { ...components, response: open(), onClose: () => remove() })
      const remove = add(client)
    },
    acceptDurable(query, open) {
      admitEvents(query)
      const client = createDurableEvents({ limits, query }, { ...components, response: open(), onClose: () => remove() })
      const remove = add(client)
    },
    accept(socket, wire, codec, { grant, address, ...query }) {
      const connection = createConnection(
        {
          limits,
          grant,
          address,
          query,
          welcome: {
            type: 'welcome',
            ...(grant.expiresAt === undefined ? {} : { tokenExpiresAt: new Date(grant.expiresAt).toISOString() }),
            ...identity,
            cursor: formatCursor(hub.epoch, hub.tip),
            heartbeatMs: limits.heartbeatMs,
            limits: {
              maxFrameBytes: limits.maxFrameBytes,
              maxMessageBytes: limits.maxMessageBytes,
              maxSubscriptions: limits.maxSubscriptions,
              maxSubscriptionTopics: limits.maxSubscriptionTopics,
            },
          },
        },
        {
          socket,
          wire,
          codec,
          commands,
          room: components.requestBytes,
          answerRoom: components.answerBytes,
          logger,
          now,
          onClose: () => remove(),
        },
      )
      if (stopping !== undefined) connection.close('draining')
      else if (capMet({ grantId: grant.id, address }) !== undefined) connection.close('connectionCap')
      else if (components.endings.has(grant)) connection.revoke()
      const remove = add(connection)
    },
    get connections() {
      return connections.size
    },
    get readers() {
      const positions = [...connections].flatMap((connection) => connection.positions())
      return { subscriptions: positions.length, maxLag: positions.reduce((lag, position) => Math.max(lag, hub.tip - position), 0) }
    },
    refuse(socket, wire, codec, error) {
      socket.on('error', (err) => logger.debug({ err }, 'stream socket failed'))
      const sink = createWebSocketSink({ socket, wire })
      sink.write(codec.write(errorFrame(error, undefined, undefined)))
      sink.close(error.retryable ? 'interrupted' : 'unauthorized')
    },
    get grants() {
      return new Set(Array.from(connections, ({ grantId }) => grantId))
    },
    get sessions() {
      return new Set(Array.from(connections).flatMap(({ session }) => session ?? []))
    },
    watchOpened: opened.watch,
    stop() {
      stopping ??= drain()
      return stopping
    },
  }
}
