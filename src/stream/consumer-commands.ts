import type { Consumers } from '../consumers/consumers.ts'
import type { Settlement } from '../consumers/settlements.ts'
import { ConsumerNotFound, InvalidRequest } from '../errors.ts'
import type { Hub } from '../log/hub.ts'
import { formatCursor } from '../model/cursor.ts'
import { type Grant, requireAction, requireTopics } from '../model/grant.ts'
import { subscriptionFilter } from '../model/topic.ts'
import type { ConsumerRecord } from '../store/consumer-store.ts'
import type { Client } from './client.ts'
import type { SubscribeFrame } from './client-frames.ts'
import { ConsumerSubscription } from './consumer-subscription.ts'
import { type FrameOf, keyOf } from './frame-data.ts'
import { type AckGroup, createGatheredAcks } from './gathered-acks.ts'
import type { Interests } from './interest.ts'
import { answering, naming, type ServerFrame } from './server-frames.ts'

/** Carries out the frames of clients that work for consumers. */
export interface ConsumerCommands {
  /** Subscribes to a consumer. */
  work(frame: SubscribeFrame & { consumer: string }, client: Client): Promise<void>
  ack(frame: FrameOf<'ack'>, client: Client): Promise<void>
  /** The client has read what it was sent. */
  drained(client: Client): void
}

export interface ConsumerCommandComponents {
  consumers: Pick<Consumers, 'get' | 'known' | 'work' | 'settle'>
  hub: Pick<Hub, 'tip' | 'epoch'>
  interests: Interests
}

/** Answers of a client that wait for the end of the turn. */
interface Answers {
  frames: ServerFrame[]
  /** Resolves when they were sent. */
  sent: Promise<void>
}

const defaultMaxUnacked = 100

export function createConsumerCommands({ consumers, hub, interests }: ConsumerCommandComponents): ConsumerCommands {
  const answers = new Map<Client, Answers>()
  const gathered = createGatheredAcks({ settle: settleGroup })

  /** @throws ConsumerNotFound, and Forbidden when the token does not allow its topics */
  async function get(name: string, grant: Grant): Promise<ConsumerRecord> {
    requireAction(grant, 'consume')
    return allowed(await consumers.get(name), grant)
  }

  function allowed(consumer: ConsumerRecord, grant: Grant): ConsumerRecord {
    requireTopics(grant, subscriptionFilter(consumer.settings))
    return consumer
  }

  /** A verdict about messages needs no settings, so what works here already is not read again; it may be gone. */
  async function settle(name: string, settlement: Settlement, grant: Grant): Promise<ReadonlySet<string>> {
    const { verdict } = settlement
    requireAction(grant, 'consume')
    const known = verdict === 'ack' || verdict === 'drop' ? consumers.known(name) : undefined
    if (known !== undefined) {
      try {
        return await consumers.settle(allowed(known, grant), settlement)
      } catch (error) {
        // Another one of its name may have taken its place.
        if (!(error instanceof ConsumerNotFound)) throw error
      }
    }
    return await consumers.settle(await get(name, grant), settlement)
  }

  async function settleGroup({ client, grant, consumer, verdict, by, names, frames }: AckGroup): Promise<void> {
    const settled = new Set(await settle(consumer, by === 'ids' ? { ids: names, verdict } : { claims: names, verdict }, grant))
    const told: ServerFrame[] = []
    for (const { id, names } of frames) {
      // What several frames name was settled by the first of them.
      const own = names.filter((name) => settled.delete(name))
      if (id !== undefined) told.push({ type: 'acked', id, consumer, settled: own })
    }
    if (told.length > 0) await answer(told, client)
  }

  async function settleAlone({ id, consumer, ids, claims, verdict = 'ack', delayMs }: FrameOf<'ack'>, client: Client): Promise<void> {
    gathered.flush(client)
    const settled = await settle(consumer, { ids, claims, verdict, delayMs }, client.grant)
    if (id !== undefined) await answer([{ type: 'acked', id, consumer, settled: [...settled] }], client)
  }

  /** Acknowledgements of one commit are answered in one turn: each client gets those answers in one write. Resolves after it. */
  function answer(frames: ServerFrame[], client: Client): Promise<void> {
    const waiting = answers.get(client) ?? startAnswers(client)
    waiting.frames.push(...frames)
    return waiting.sent
  }

  function startAnswers(client: Client): Answers {
    const frames: ServerFrame[] = []
    const { promise: turn, resolve: endTurn } = Promise.withResolvers<void>()
    process.nextTick(endTurn)
    const sent = turn.then(() => {
      answers.delete(client)
      let sent = 0
      client.outlet.sendMany(() => frames[sent++])
      // Answers do not wait until the client has read others.
      for (const each of frames.slice(sent)) client.outlet.send(each)
    })
    const started = { frames, sent }
    answers.set(client, started)
    return started
  }

  function drained(client: Client): void {
    for (const subscription of ofConsumers(client)) subscription.wake()
  }

  return {
    drained,
    async work(frame, client) {
      const { outlet, subscriptions } = client
      const { subscription: name, maxUnacked = defaultMaxUnacked, encoding = 'utf8' } = frame
      if ([frame.topics, frame.direct, frame.peers, frame.deliveries, frame.own, frame.after].some((field) => field !== undefined))
        throw new InvalidRequest('A subscription to a consumer has no topics and no position of its own: they are the consumer’s.')
      const consumer = await get(frame.consumer, client.grant)
      using held = new DisposableStack()
      held.use(await interests.open(keyOf(client), subscriptionFilter(consumer.settings)))
      if (client.signal.aborted) return
      subscriptions.get(name)?.close()
      const cursor = formatCursor(hub.epoch, consumer.position)
      outlet.send({ type: 'subscribed', ...answering(frame.id), ...naming(name), consumer: consumer.name, cursor })
      const subscription = new ConsumerSubscription(
        { name, consumer, maxUnacked, encoding, interest: held.move() },
        {
          consumers,
          hub,
          outlet,
          onReady: () => client.onReady(),
          isIdle: () => ofConsumers(client).every(({ ready }) => !ready),
          onIdle: () => drained(client),
          onEnd: () => subscriptions.get(name) === subscription && subscriptions.delete(name),
        },
      )
      subscriptions.set(name, subscription)
    },
    ack: (frame, client) => gathered.add(frame, client) ?? settleAlone(frame, client),
  }
}

function ofConsumers({ subscriptions }: Client): ConsumerSubscription[] {
  return Array.from(subscriptions.values()).filter((each) => each instanceof ConsumerSubscription)
}
