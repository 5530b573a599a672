import type { FastifyRequest } from 'fastify'
import type { Rates } from '../../access/rates.ts'
import { consumerView } from '../../consumers/consumer-view.ts'
import type { Consumers } from '../../consumers/consumers.ts'
import { Forbidden } from '../../errors.ts'
import { omitUndefined } from '../../lib/omit-undefined.ts'
import type { History } from '../../log/history.ts'
import { consumerDefaults, formatClaim } from '../../model/consumer.ts'
import { formatCursor } from '../../model/cursor.ts'
import { allows, type Grant, requireTopics } from '../../model/grant.ts'
import { messageView } from '../../model/message.ts'
import { subscriptionFilter } from '../../model/topic.ts'
import type { ConsumerRecord } from '../../store/consumer-store.ts'
import { clientSignal } from '../client-signal.ts'
import { keyOf } from '../count-requests.ts'
import type { App } from '../operation.ts'
import { pageOptions } from '../page-options.ts'
import { consumerContract } from './consumer-contract.ts'

export interface ConsumerComponents {
  consumers: Omit<Consumers, 'start' | 'stop' | 'known' | 'work'>
  history: Pick<History, 'locate'>
  rates: Pick<Rates, 'take'>
}

const defaultPull = 50

export function consumerRoutes(app: App, components: ConsumerComponents): void {
  const { consumers, history, rates } = components

  /** @throws ConsumerNotFound, and Forbidden when the token does not allow its topics */
  async function get(name: string, grant: Grant): Promise<ConsumerRecord> {
    const consumer = await consumers.get(name)
    requireTopics(grant, subscriptionFilter(consumer.settings))
    return consumer
  }

  /** @throws Forbidden when another client created it, and the token does not allow `admin` */
  async function getOwn(name: string, { grant, client }: Pick<FastifyRequest, 'grant' | 'client'>): Promise<ConsumerRecord> {
    const consumer = await get(name, grant)
    if (consumer.client !== keyOf({ grant, client }) && !grant.actions.has('admin'))
      throw new Forbidden('Another client created this consumer: to change it, the token must allow "admin".')
    return consumer
  }

  const view = (consumer: ConsumerRecord) => consumerView(consumer, consumers.epoch)

  app.route({
    ...consumerContract.createConsumer,
    handler: async ({ params: { name }, body, grant, client }, reply) => {
      const { after = 'latest', topics = [], direct = false, order = 'none', ...change } = body
      const settings = { topics, direct, order, ...consumerDefaults, ...omitUndefined(change) }
      const by = pageOptions({ grant, client }, reply, rates)
      const { consumer, created } = await consumers.create({ name, client: by.client, settings, after, by })
      return reply.code(created ? 201 : 200).send(view(consumer))
    },
  })

  app.route({
    ...consumerContract.listConsumers,
    handler: async ({ grant }) => {
      const all = await consumers.list()
      return { items: all.filter(({ settings }) => allows(grant, subscriptionFilter(settings))).map(view) }
    },
  })

  app.route({
    ...consumerContract.getConsumer,
    handler: async ({ params, grant, client }, reply) => {
      const consumer = await get(params.name, grant)
      return { ...view(consumer), ...(await consumers.state(consumer, pageOptions({ grant, client }, reply, rates))) }
    },
  })

  app.route({
    ...consumerContract.updateConsumer,
    handler: async ({ params, body, grant, client }) => {
      await getOwn(params.name, { grant, client })
      return view(await consumers.configure(params.name, omitUndefined(body)))
    },
  })

  app.route({
    ...consumerContract.removeConsumer,
    handler: async ({ params, grant, client }, reply) => {
      await getOwn(params.name, { grant, client })
      await consumers.remove(params.name)
      return reply.code(204).send()
    },
  })

  app.route({
    ...consumerContract.pullMessages,
    handler: async ({ params, body, grant, client }, reply) => {
      const consumer = await get(params.name, grant)
      const { limit = defaultPull, waitMs = 0, encoding } = body ?? {}
      const items = await consumers.pull(consumer, { limit, waitMs, client: keyOf({ grant, client }), signal: clientSignal(reply) })
      return {
        items: items.map(({ message, epoch, attempt, claim }) => ({
          ...{ message: messageView(message, epoch, encoding), attempt, claim: formatClaim({ id: message.id, claim }) },
        })),
      }
    },
  })

  app.route({
    ...consumerContract.acknowledgeMessages,
    handler: async ({ params, body: { verdict = 'ack', ...said }, grant }) => {
      const settled = await consumers.settle(await get(params.name, grant), { ...said, verdict })
      return { settled: [...settled], unknown: (said.ids ?? said.claims ?? []).filter((name) => !settled.has(name)) }
    },
  })

  app.route({
    ...consumerContract.listParkedMessages,
    handler: async ({ params, query: { after, limit, encoding }, grant }) => {
      const consumer = await get(params.name, grant)
      const { items, next } = await consumers.parked(consumer, { after: after === undefined ? 0 : await history.locate(after), limit })
      const { epoch } = consumers
      return {
        items: items.map(({ id, seq, attempt, message }) => ({
          ...{ id, cursor: formatCursor(epoch, seq), attempts: attempt },
          ...(message === undefined ? {} : { message: messageView(message, epoch, encoding) }),
        })),
        next: next === undefined ? null : formatCursor(epoch, next),
      }
    },
  })

  app.route({
    ...consumerContract.replayParkedMessages,
    handler: async ({ params, body, grant }) => ({ replayed: await consumers.replay(await get(params.name, grant), body?.ids) }),
  })
}
