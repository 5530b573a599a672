import type { Consumers } from '../consumers/consumers.ts'
import { InvalidRequest } from '../errors.ts'
import type { Hub } from '../log/hub.ts'
import { formatCursor } from '../model/cursor.ts'
import { requireAction, requireTopics } from '../model/grant.ts'
import { subscriptionFilter } from '../model/topic.ts'
import type { ConsumerRecord } from '../store/consumer-store.ts'
import type { Client } from './client.ts'
import type { SubscribeFrame } from './client-frames.ts'
import { ConsumerSubscription } from './consumer-subscription.ts'
import { type FrameOf, keyOf } from './frame-data.ts'
import type { Interests } from './interest.ts'
import { answering, naming } from './server-frames.ts'

/** Carries out the frames of clients that work for consumers. */
export interface ConsumerCommands {
  /** Subscribes to a consumer. */
  work(frame: SubscribeFrame & { consumer: string }, client: Client): Promise<void>
  ack(frame: FrameOf<'ack'>, client: Client): Promise<void>
  /** The client has read what it was sent. */
  drained(client: Client): void
}

export interface ConsumerCommandComponents {
  consumers: Pick<Consumers, 'get' | 'work' | 'settle'>
  hub: Pick<Hub, 'tip' | 'epoch'>
  interests: Interests
}

const defaultMaxUnacked = 100

export function createConsumerCommands({ consumers, hub, interests }: ConsumerCommandComponents): ConsumerCommands {
  /** @throws ConsumerNotFound, and Forbidden when the token does not allow its topics */
  async function get(name: string, { grant }: Client): Promise<ConsumerRecord> {
    requireAction(grant, 'consume')
    const consumer = await consumers.get(name)
    requireTopics(grant, subscriptionFilter(consumer.settings))
    return consumer
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
      const consumer = await get(frame.consumer, client)
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
    async ack({ id, ids, claims, verdict = 'ack', delayMs, ...frame }, client) {
      const consumer = await get(frame.consumer, client)
      const settled = await consumers.settle(consumer, { ids, claims, verdict, delayMs })
      if (id !== undefined) client.outlet.send({ type: 'acked', id, consumer: consumer.name, settled: [...settled] })
    },
  }
}

function ofConsumers({ subscriptions }: Client): ConsumerSubscription[] {
  return Array.from(subscriptions.values()).filter((each) => each instanceof ConsumerSubscription)
}
