import type { Rates } from '../../access/rates.ts'
import { type History, messageNotFound, type Page, type PageOptions, type PageQuery } from '../../log/history.ts'
import type { Retention } from '../../log/retention.ts'
import { formatCursor } from '../../model/cursor.ts'
import { placeOf } from '../../model/gap.ts'
import { type Grant, readable, requireTopic } from '../../model/grant.ts'
import { type MessageKind, messageView } from '../../model/message.ts'
import type { Encoding } from '../../model/payload.ts'
import { directTopic, exactly, type TopicFilter, topicFilter } from '../../model/topic.ts'
import type { Topics } from '../../topics/topics.ts'
import { matchesTag } from '../entity-tag.ts'
import type { App } from '../operation.ts'
import { pageOptions } from '../page-options.ts'
import { messageContract } from './message-contract.ts'

export function messageRoutes(
  app: App,
  components: {
    history: Pick<History, 'page' | 'get' | 'locate'>
    topics: Pick<Topics, 'read' | 'require'>
    retention: Pick<Retention, 'purge' | 'delete'>
    rates: Pick<Rates, 'take'>
  },
): void {
  const { history, topics, retention, rates } = components

  /** Counts as a use of the topics, which keeps them joined. */
  async function page(query: PageQuery, options: PageOptions): Promise<Page> {
    for (const topic of query.topics?.exact ?? []) topics.read(topic, options.client)
    return await history.page(query, options)
  }

  /** @throws MessageNotFound, and Forbidden when the token does not allow the topic of the message */
  async function get(id: string, grant: Grant) {
    const found = await history.get(id)
    requireTopic(grant, found.message.topic)
    return found
  }

  app.route({
    ...messageContract.listTopicMessages,
    handler: async ({ params, query, grant, client }, reply) => {
      const filter = exactly(params.topic)
      await topics.require(params.topic)
      return pageView(await page({ ...query, topics: filter }, pageOptions({ grant, client }, reply, rates)), query.encoding)
    },
  })

  app.route({
    ...messageContract.purgeTopic,
    handler: async ({ params, query }) => {
      await topics.require(params.topic)
      const through = await history.locate(query.through, exactly(params.topic))
      return { removed: await retention.purge(params.topic, through) }
    },
  })

  app.route({
    ...messageContract.listMessages,
    handler: async ({ query: { topic, encoding, ...query }, grant, client }, reply) => {
      const filter = filterOf(topic, query.kind) ?? readable(grant)
      return pageView(await page({ ...query, topics: filter }, pageOptions({ grant, client }, reply, rates)), encoding)
    },
  })

  app.route({
    ...messageContract.getMessage,
    handler: async ({ params, query, grant }) => {
      const { message, epoch } = await get(params.id, grant)
      return messageView(message, epoch, query.encoding)
    },
  })

  app.route({
    ...messageContract.deleteMessage,
    handler: async ({ params, grant }, reply) => {
      const { message } = await get(params.id, grant)
      if (!(await retention.delete(message.id))) throw messageNotFound()
      return reply.code(204).send()
    },
  })

  app.route({
    ...messageContract.getMessageData,
    handler: async ({ params, headers, grant }, reply) => {
      const { message } = await get(params.id, grant)
      const etag = `"${message.id}"`
      reply.headers({ etag, 'cache-control': 'private, max-age=31536000, immutable' })
      if (matchesTag(headers['if-none-match'], etag)) return reply.code(304).send()
      reply.type('application/octet-stream').header('content-disposition', `attachment; filename="${message.id}.bin"`)
      return Buffer.from(message.data)
    },
  })
}

/** Direct messages have a topic of their own, so that a scan for them skips all others. */
function filterOf(topics: string[] | undefined, kind: MessageKind | undefined): TopicFilter | undefined {
  if (topics !== undefined) return topicFilter(topics)
  return kind === 'direct' ? exactly(directTopic) : undefined
}

function pageView({ items, removed, newer, older, caughtUp, epoch, count }: Page, encoding: Encoding | undefined) {
  const gaps = removed.map(({ seq, topic, reason }) => ({
    ...placeOf(topic),
    from: formatCursor(epoch, seq - 1),
    to: formatCursor(epoch, seq),
    reason,
  }))
  const views = items.map((message) => messageView(message, epoch, encoding))
  const counted = count === undefined ? {} : { count: count.messages, countIsExact: count.isExact }
  return { items: views, ...(gaps.length === 0 ? {} : { gaps }), newer, older, caughtUp, ...counted }
}
