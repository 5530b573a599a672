import { ofEndedToken } from '../access/endings.ts'
import { costOfBytes, costOfMembers } from '../access/rates.ts'
import { InvalidRequest, ServiceLimit, SubscriptionLimit, SubscriptionNotFound } from '../errors.ts'
import { formatCursor, type Seq } from '../model/cursor.ts'
import { requireAction, requireTopic, requireTopics } from '../model/grant.ts'
import { idempotencyScope } from '../model/idempotency-key.ts'
import { encodePayload } from '../model/payload.ts'
import { parsePeerId } from '../model/peer.ts'
import { authorOf } from '../model/signed-message.ts'
import { type TopicFilter, topicFilter, withDirect } from '../model/topic.ts'
import type { Client, StreamComponents, StreamLimits } from './client.ts'
import { type ClientFrame, ruleOf, type SubscribeFrame } from './client-frames.ts'
import { createConsumerCommands } from './consumer-commands.ts'
import { decodeData, type FrameOf, keyOf } from './frame-data.ts'
import type { Interests } from './interest.ts'
import { createOwnMessages } from './own-messages.ts'
import { answering, expiry, naming } from './server-frames.ts'
import { createSubscription, type Gaps, type Subscription } from './subscription.ts'
import { createWorkCommands } from './work-commands.ts'

/** What a frame that was taken has left to do. */
export interface FrameWork {
  rest?: Promise<void>
  apart?: Promise<void>
}

/** Carries out the frames of clients. */
export interface Commands {
  /** Charges the client for the bytes of a frame, plus one unit, before the frame is decoded. @throws RateLimited */
  receive(bytes: number, client: Client): void
  /** Charges the client for the members of a frame's objects, before they are parsed. @throws RateLimited */
  parse(members: number, client: Client): void
  /**
   * Carries out a frame and answers it. Resolves, or returns, when the next frame may be taken. `rest` is work that need not hold up
   * the next frame. `apart` is work that may take long: it does not count as a pending frame, so that a client can
   * answer requests while it waits for its own. It throws, or one of the promises rejects with, the error for the answer.
   */
  take(frame: ClientFrame, client: Client): FrameWork | Promise<FrameWork>
  /** The client's outlet is writable again. */
  drained(client: Client): void
  /** Sends the client no new requests, since it is about to leave. Resolves once it has answered the open ones. */
  retire(client: Client): Promise<void>
  /** The client is gone. */
  leave(client: Client): void
}

export type CommandComponents = Pick<
  StreamComponents,
  | 'hub'
  | 'history'
  | 'topics'
  | 'publisher'
  | 'consumers'
  | 'deliveries'
  | 'services'
  | 'serviceRegistry'
  | 'validatorRegistry'
  | 'access'
  | 'endings'
  | 'rates'
> & { interests: Interests }

/** Units that every frame costs on arrival. The rest of its cost is charged when it is carried out. */
const frameCost = 1

export function createCommands(init: { limits: StreamLimits }, components: CommandComponents): Commands {
  const { limits } = init
  const { hub, history, interests, topics, publisher, deliveries, services, serviceRegistry, validatorRegistry, access, endings, rates } =
    components
  const work = createWorkCommands(init, components)
  const forConsumers = createConsumerCommands(components)
  const ownMessages = createOwnMessages()

  async function subscribe(frame: SubscribeFrame, client: Client): Promise<void> {
    const { outlet, subscriptions } = client
    const name = frame.subscription
    const patterns = frame.topics ?? []
    checkSubscribe(frame, patterns, subscriptions)
    const filter = withDirect(topicFilter(patterns), frame.direct)
    using held = new DisposableStack()
    held.use(await interests.open(keyOf(client), filter))
    const previous = subscriptions.get(name)
    const pay = (units: number) => void rates.take({ grantId: client.grant.id, address: client.address }, units)
    const start = frame.after === undefined ? undefined : await history.resolve(frame.after, filter, { pay })
    if (client.signal.aborted) return
    const { seq: after, pruneCount: prunedSince, gaps } = start ? { ...start, gaps: new Map() } : goOn(previous)
    previous?.close()
    const { encoding = 'utf8', peers = false, deliveries = false, own = true } = frame
    const subscription = createSubscription(
      {
        name,
        client: keyOf(client),
        filter,
        encoding,
        peers,
        deliveries,
        isLeftOut: own ? undefined : (seq) => ownMessages.has(client, seq),
        after,
        prunedSince,
        gaps,
        interest: held.move(),
        maxStepBytes: limits.maxSocketBufferBytes,
      },
      { hub, outlet, onReady: () => client.onReady() },
    )
    subscriptions.set(name, subscription)
    const cursor = start?.cursor ?? formatCursor(hub.epoch, after)
    outlet.send({ type: 'subscribed', ...answering(frame.id), ...naming(name), cursor, ...matchedBy(filter) })
    client.onReady()
  }

  async function workFor(frame: SubscribeFrame & { consumer: string }, client: Client): Promise<void> {
    checkRoom(frame, client.subscriptions)
    await forConsumers.work(frame, client)
  }

  /** The topics of which a subscription by pattern gets messages of other peers. */
  function matchedBy({ patterns }: TopicFilter): { topics?: string[]; more?: true } {
    if (patterns.length === 0) return {}
    const { topics: matched, more } = topics.matching({ exact: [], patterns }, limits.maxToldTopics)
    return { topics: matched, ...(more ? { more } : {}) }
  }

  /** The start of a subscription without a position: that of the subscription it replaces, or the end of the log. */
  function goOn(previous: Subscription | undefined): { seq: Seq; pruneCount: number; gaps: Gaps } {
    if (previous === undefined) return { seq: hub.tip, pruneCount: 0, gaps: new Map() }
    return { seq: previous.position, pruneCount: previous.prunedSince, gaps: previous.gaps }
  }

  function checkSubscribe(frame: SubscribeFrame, patterns: string[], subscriptions: Client['subscriptions']): void {
    if (patterns.length === 0 && ![frame.direct, frame.peers, frame.deliveries].includes(true)) {
      throw new InvalidRequest('A subscription needs at least one topic or pattern in "topics", or "direct", "peers" or "deliveries".')
    }
    if (patterns.length > limits.maxSubscriptionTopics) {
      throw new SubscriptionLimit(`A subscription may name at most ${limits.maxSubscriptionTopics} topics. Use several subscriptions.`)
    }
    if (frame.maxUnacked !== undefined) throw new InvalidRequest('"maxUnacked" needs a "consumer".')
    checkRoom(frame, subscriptions)
  }

  function checkRoom(frame: SubscribeFrame, subscriptions: Client['subscriptions']): void {
    if (!subscriptions.has(frame.subscription) && subscriptions.size >= limits.maxSubscriptions) {
      throw new SubscriptionLimit(`A connection may have at most ${limits.maxSubscriptions} subscriptions.`)
    }
  }

  function unsubscribe(frame: FrameOf<'unsubscribe'>, { outlet, subscriptions }: Client): void {
    const subscription = subscriptions.get(frame.subscription)
    if (subscription === undefined) throw new SubscriptionNotFound('This connection has no subscription of this name.')
    subscription.close()
    subscriptions.delete(frame.subscription)
    outlet.send({ type: 'unsubscribed', ...answering(frame.id), ...naming(frame.subscription) })
  }

  async function publish(frame: FrameOf<'publish'>, publishing: Client): Promise<{ rest: Promise<void> }> {
    const { outlet, signal, grant, address } = publishing
    const { topic, idempotencyKey: key } = frame
    const data = decodeData(frame)
    const client = keyOf({ grant, address })
    const idempotency = key === undefined ? undefined : { scope: idempotencyScope(client, 'publish'), key }
    const stored = (first: Seq, last: Seq) => ownMessages.add(publishing, first, last)
    // The message has its place in the inbox before the next frame is taken, which keeps the order.
    const { published } = await publisher.enqueue({ client, messages: [{ topic, data }], idempotency, stored }, { signal })
    const rest = published.then(({ items, replayed }) => {
      for (const { id, cursor, recipients } of items) {
        outlet.send({
          type: 'published',
          ...answering(frame.id),
          messageId: id,
          cursor,
          recipients,
          gateway: authorOf(id),
          ...(replayed ? { replayed } : {}),
        })
      }
    })
    return { rest }
  }

  async function send(frame: FrameOf<'send'>, { outlet, grant, address }: Client): Promise<void> {
    const { to, expiresInMs, idempotencyKey: key } = frame
    const client = keyOf({ grant, address })
    const idempotency = key === undefined ? undefined : { scope: idempotencyScope(client, 'send'), key }
    const { delivery, replayed } = await deliveries.send({
      client,
      to: parsePeerId(to),
      data: decodeData(frame),
      expiresInMs,
      idempotency,
    })
    outlet.send({ type: 'queued', ...answering(frame.id), delivery, ...(replayed ? { replayed } : {}) })
  }

  async function request(frame: FrameOf<'request'>, client: Client): Promise<void> {
    if (client.openRequests >= limits.maxStreamRequests)
      throw new ServiceLimit(`A connection may have at most ${limits.maxStreamRequests} open requests.`)
    const { service, timeoutMs } = frame
    client.openRequests++
    try {
      const data = await services.request(
        { client: keyOf(client), to: parsePeerId(frame.to), service, data: decodeData(frame), timeoutMs },
        { signal: client.signal },
      )
      client.outlet.send({ type: 'response', ...answering(frame.id), ...encodePayload(data, frame.encoding) })
    } finally {
      client.openRequests--
    }
  }

  /** Replaces the token of the connection. The new token must allow everything that the connection already does. */
  async function renew(frame: FrameOf<'auth'>, client: Client): Promise<void> {
    const grant = await access.admit(frame.token)
    if (endings.has(grant)) throw ofEndedToken()
    if (serviceRegistry.has(client.asked)) requireAction(grant, 'serve')
    for (const topic of validatorRegistry.topicsOf(client.asked)) {
      requireAction(grant, 'validate')
      requireTopic(grant, topic)
    }
    for (const { filter, deliveries, action } of client.subscriptions.values()) {
      requireAction(grant, action)
      requireTopics(grant, withDirect(filter, deliveries))
    }
    client.grant = grant
    client.outlet.send({ type: 'authenticated', ...answering(frame.id), ...expiry(grant) })
  }

  async function carryOut(frame: Exclude<ClientFrame, FrameOf<'ack'>>, client: Client): Promise<FrameWork> {
    switch (frame.type) {
      case 'subscribe':
        await (isOfConsumer(frame) ? workFor(frame, client) : subscribe(frame, client))
        return {}
      case 'unsubscribe':
        unsubscribe(frame, client)
        return {}
      case 'publish':
        return await publish(frame, client)
      case 'send':
        await send(frame, client)
        return {}
      case 'request':
        return { apart: request(frame, client) }
      case 'serve':
        await work.serve(frame, client)
        return {}
      case 'unserve':
        work.unserve(frame, client)
        return {}
      case 'reply':
        work.reply(frame, client)
        return {}
      case 'validate':
        await work.validate(frame, client)
        return {}
      case 'unvalidate':
        work.unvalidate(frame, client)
        return {}
      case 'verdict':
        work.judge(frame, client)
        return {}
      case 'auth':
        await renew(frame, client)
        return {}
      case 'ping':
        client.outlet.send({ type: 'pong', ...answering(frame.id) })
        return {}
      default:
        return frame satisfies never
    }
  }

  return {
    drained(client) {
      validatorRegistry.resume(client.asked)
      forConsumers.drained(client)
    },
    retire: ({ asked }) => serviceRegistry.retire(asked),
    leave: work.leave,
    receive(bytes, { grant, address }) {
      rates.take({ grantId: grant.id, address }, frameCost + costOfBytes(bytes))
    },
    parse(members, { grant, address }) {
      rates.take({ grantId: grant.id, address }, costOfMembers(members))
    },
    take(frame, client) {
      const { cost, action, topics } = ruleOf(frame)
      if (cost > frameCost) rates.take({ grantId: client.grant.id, address: client.address }, cost - frameCost)
      requireAction(client.grant, action)
      requireTopics(client.grant, topics)
      // The most frequent frame of a worker takes no turn of its own.
      return frame.type === 'ack' ? { rest: forConsumers.ack(frame, client) } : carryOut(frame, client)
    },
  }
}

function isOfConsumer(frame: SubscribeFrame): frame is SubscribeFrame & { consumer: string } {
  return frame.consumer !== undefined
}
