import { type BackOff, defaultBackOff } from './back-off.ts'
import { Connection, type ConnectionState } from './connection.ts'
import { type Data, type Payload, payloadOf } from './data.ts'
import type { ClientFrame, Delivery, ServerFrame } from './frames.ts'
import type { Registration } from './registration.ts'
import { createRest, type Rest } from './rest.ts'
import { type ServeOptions, type ServiceHandler, serve } from './service.ts'
import { type Item, type SubscribeOptions, Subscription } from './subscription.ts'
import { type Judge, type ValidateOptions, validate } from './validator.ts'
import { globalWebSocket, type WebSocketClass } from './web-socket.ts'
import { type TaskHandler, type WorkOptions, work } from './worker.ts'

export interface ClientInit {
  /** Base URL of the gateway; several of gateways with one database, which are tried in turn. */
  url: string | readonly string[]
  /** A function is called for each connection and each call of REST; only with it a connection outlives its token. */
  token?: string | (() => string | Promise<string>)
  /** Where there is no global one, as in Node.js 20: that of the package ws. */
  WebSocket?: WebSocketClass
  fetch?: typeof fetch
  backOff?: BackOff
  /** Milliseconds until a connection is open. Default: 15,000. */
  connectTimeoutMs?: number
  /** Publications and other calls that wait for their answers at once. Default: 1,000. */
  maxPendingCalls?: number
}

/** A message that is on the disk of the gateway. */
export interface Published {
  messageId: string
  cursor: string
  recipients: number
  gateway: string
  /** The idempotency key had published it before. */
  replayed?: true
}

export interface PublishOptions {
  /** Default: a new one. Repetitions with the same key, within 24 hours, publish nothing more. */
  idempotencyKey?: string
  signal?: AbortSignal
}

export interface Client {
  /** The calls of openapi.yaml. */
  readonly rest: Rest
  readonly state: ConnectionState
  /** @returns ends the watching */
  watch(watcher: (state: ConnectionState) => void): () => void
  /** Follows topics, or patterns of them. */
  subscribe(topics: string | readonly string[], options?: SubscribeOptions): AsyncIterableIterator<Item>
  /**
   * Resolves when the message is on the disk of the gateway. It is repeated with its key, on later connections too, until it is
   * answered. Messages are in the order of the calls; where a refusal must not change the order, wait for each.
   */
  publish(topic: string, data: Data, options?: PublishOptions): Promise<Published>
  /** Sends a direct message to a peer; resolves when it is queued on the disk of the gateway. Repeated like `publish`. */
  send(to: string, data: Data, options?: PublishOptions & { expiresInMs?: number }): Promise<Delivery>
  /** Asks a service of a peer. It is sent once: with `connection_lost` it may have been handled. */
  request(to: string, service: string, data: Data, options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<Payload>
  /** Provides a service; resolves when the gateway has accepted it. */
  serve(service: string, handler: ServiceHandler, options?: ServeOptions): Promise<Registration>
  /** Works on the messages of a consumer (docs/consumers.md); resolves when the gateway has accepted it. */
  work(consumer: string, handler: TaskHandler, options?: WorkOptions): Promise<Registration>
  /** Judges the messages of a topic before they are stored; resolves when the gateway has accepted it. */
  validate(topic: string, judge: Judge, options?: ValidateOptions): Promise<Registration>
  /** Ends all subscriptions, calls and registrations. */
  close(): void
}

/** Connects with the first use. */
export function createClient(init: ClientInit): Client {
  const urls = typeof init.url === 'string' ? [init.url] : init.url
  const connection = new Connection({
    urls,
    token: init.token,
    WebSocket: init.WebSocket ?? globalWebSocket(),
    backOff: init.backOff ?? defaultBackOff,
    connectTimeoutMs: init.connectTimeoutMs ?? 15_000,
    maxPendingCalls: init.maxPendingCalls ?? 1_000,
  })

  async function call<Type extends ServerFrame['type']>(
    type: Type,
    frame: ClientFrame,
    { again, signal }: { again: boolean; signal: AbortSignal | undefined },
  ): Promise<Extract<ServerFrame, { type: Type }>> {
    signal?.throwIfAborted()
    return await new Promise((resolve, reject) => {
      let giveUp = () => {}
      const aborted = () => {
        giveUp()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', aborted, { once: true })
      const done = () => signal?.removeEventListener('abort', aborted)
      giveUp = connection.call({
        frame,
        repeat: again,
        resend: again,
        counts: true,
        answered(answer) {
          done()
          if (isOf(answer, type)) resolve(answer)
          else reject(new TypeError(`${frame.type} was answered with ${answer.type}`))
        },
        refused(error) {
          done()
          reject(error)
        },
      })
    })
  }

  return {
    rest: createRest({ url: urls[0] ?? '', token: init.token, fetch: init.fetch ?? fetch }),
    get state() {
      return connection.state
    },
    watch: (watcher) => connection.watch(watcher),
    subscribe: (topics, options = {}) => new Subscription(connection, typeof topics === 'string' ? [topics] : topics, options),
    async publish(topic, data, { idempotencyKey = newKey(), signal } = {}) {
      const frame = { type: 'publish', topic, ...payloadOf(data), idempotencyKey }
      const { messageId, cursor, recipients, gateway, replayed } = await call('published', frame, { again: true, signal })
      return { messageId, cursor, recipients, gateway, ...(replayed === undefined ? {} : { replayed }) }
    },
    async send(to, data, { idempotencyKey = newKey(), expiresInMs, signal } = {}) {
      const frame = { type: 'send', to, ...payloadOf(data), idempotencyKey, expiresInMs }
      return (await call('queued', frame, { again: true, signal })).delivery
    },
    async request(to, service, data, { timeoutMs, signal } = {}) {
      await opened(signal)
      const frame = { type: 'request', to, service, ...payloadOf(data), timeoutMs }
      const answer = await call('response', frame, { again: false, signal })
      return { data: answer.data, encoding: answer.encoding }
    },
    serve: (service, handler, options = {}) => serve(connection, service, handler, options),
    work: (consumer, handler, options = {}) => work(connection, consumer, handler, options),
    validate: (topic, judge, options = {}) => validate(connection, topic, judge, options),
    close: () => connection.close(),
  }

  /** Resolves when a connection is open: what is sent once waits for it. */
  async function opened(signal: AbortSignal | undefined): Promise<void> {
    if (connection.state.type !== 'open') await call('pong', { type: 'ping' }, { again: true, signal })
  }
}

function isOf<Type extends ServerFrame['type']>(frame: ServerFrame, type: Type): frame is Extract<ServerFrame, { type: Type }> {
  return frame.type === type
}

/** 128 random bits. `crypto.randomUUID` exists in secure contexts only, and a gateway may be reached by plain HTTP. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
