import type { WebSocket } from 'ws'
import { PeergateError, toPeergateError } from '../errors.ts'
import type { Encoding } from '../model/payload.ts'
import type { CloseReason } from './close-codes.ts'
import type { Codec } from './codec.ts'
import { createCommands } from './commands.ts'
import { answering, type ClientFrame, type FrameId, naming, type ServerFrame } from './frames.ts'
import { createOutlet } from './outlet.ts'
import { createPump } from './pump.ts'
import type { ClientConnection, StreamComponents, StreamLimits } from './stream.ts'
import type { Subscription } from './subscription.ts'
import { createWebSocketSink } from './web-socket-sink.ts'

/** A client's stream: takes its frames one after another, and sends for its subscriptions. */
export interface Connection extends ClientConnection {
  close(reason: CloseReason): void
}

/** What the client asked for in the URL: the unnamed subscription, at once; nothing when it names no topic. */
export interface QuerySubscription {
  topics: string[]
  after?: string | undefined
  encoding?: Encoding | undefined
}

export interface ConnectionInit {
  limits: StreamLimits
  welcome: ServerFrame
  query: QuerySubscription
}

export interface ConnectionComponents extends StreamComponents {
  socket: WebSocket
  codec: Codec
  onClose(): void
}

export function createConnection(init: ConnectionInit, components: ConnectionComponents): Connection {
  const { limits } = init
  const { socket, codec, log } = components
  const subscriptions = new Map<string | undefined, Subscription>()
  const gone = new AbortController()
  const sink = createWebSocketSink({ socket, binary: codec.binary })
  const outlet = createOutlet(limits, { sink, writer: codec, onDrain })
  const pump = createPump({ sources: () => subscriptions.values(), outlet, onError: giveUp })
  const commands = createCommands({ limits }, { ...components, outlet, subscriptions, onReady: pump.run, signal: gone.signal })
  /** The frames are taken in turn. */
  let turn: Promise<void> = Promise.resolve()
  let pending = 0
  let onIdle: (() => void) | undefined
  let draining = false
  let lastHeard = performance.now()

  function onDrain(): void {
    steer()
    pump.run()
  }

  /** Reads from the socket only while the client takes its answers and does not run ahead of them. */
  function steer(): void {
    if (pending >= limits.maxPendingFrames || outlet.blockedSince !== undefined) socket.pause()
    else if (socket.isPaused) socket.resume()
  }

  function onMessage(raw: Buffer, binary: boolean): void {
    lastHeard = performance.now()
    if (draining) return
    const decoded = codec.read(raw, binary)
    if (decoded.kind === 'frame') enqueue(decoded.frame)
    else answerError(decoded.error, decoded.kind === 'refused' ? decoded.id : undefined)
    if (decoded.kind === 'bad') sink.close('badFrame')
    steer()
  }

  function enqueue(frame: ClientFrame): void {
    pending++
    turn = turn.then(async () => {
      try {
        const { rest } = await commands.take(frame)
        if (rest === undefined) settle()
        else rest.catch((error: unknown) => answerError(error, frame.id)).finally(settle)
      } catch (error) {
        answerError(error, frame.id, 'subscription' in frame ? frame.subscription : undefined)
        settle()
      }
    })
  }

  function settle(): void {
    pending--
    steer()
    if (pending === 0) onIdle?.()
  }

  function answerError(error: unknown, id?: FrameId, subscription?: string): void {
    const problem = toPeergateError(error)
    if (!(error instanceof PeergateError) && !gone.signal.aborted) log.error({ err: error }, 'a stream request failed')
    outlet.send(errorFrame(problem, id, subscription))
  }

  /** The database could not be read: the client comes back and resumes where it was. */
  function giveUp(error: unknown): void {
    if (gone.signal.aborted) return
    answerError(error)
    sink.close('interrupted')
  }

  socket.on('message', onMessage)
  socket.on('pong', () => {
    lastHeard = performance.now()
  })
  // ws closes by itself after an error (a frame over the limit: 1009), so there is nothing to do but to note it.
  socket.on('error', (err) => log.debug({ err }, 'a stream socket failed'))
  socket.once('close', () => {
    gone.abort()
    for (const subscription of subscriptions.values()) subscription.close()
    subscriptions.clear()
    components.onClose()
  })
  outlet.send(init.welcome)
  if (init.query.topics.length > 0) enqueue({ type: 'subscribe', ...init.query })

  return {
    beat(now) {
      if (outlet.blockedSince !== undefined) {
        if (now - outlet.blockedSince >= limits.slowClientMs) sink.close('tooSlow')
        return
      }
      if (now - lastHeard > 2 * limits.heartbeatMs) return sink.close('noPong')
      socket.ping()
      for (const subscription of subscriptions.values()) subscription.reportProgress()
    },
    notifyPeer(event, peer) {
      // A notice, not a message: a client that can't take it now does without.
      if (!outlet.writable) return
      for (const { name, peers } of subscriptions.values()) if (peers) outlet.send({ type: 'peer', event, ...naming(name), peer })
    },
    positions: () => Array.from(subscriptions.values(), ({ position }) => position),
    async drain(retryAfterMs) {
      if (socket.readyState === socket.CLOSED) return
      const closed = new Promise((resolve) => socket.once('close', resolve))
      outlet.send({ type: 'closing', reason: 'draining', retryAfterMs })
      draining = true
      if (pending > 0)
        await new Promise<void>((resolve) => {
          onIdle = resolve
        })
      sink.close('draining')
      await closed
    },
    close: sink.close,
  }
}

function errorFrame(error: PeergateError, id: FrameId | undefined, subscription: string | undefined): ServerFrame {
  return {
    type: 'error',
    ...answering(id),
    ...naming(subscription),
    code: error.code,
    title: error.title,
    detail: error.message,
    retryable: error.retryable,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    ...(error.errors === undefined ? {} : { errors: error.errors }),
    ...error.extensions,
  }
}
