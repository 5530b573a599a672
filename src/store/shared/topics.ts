import { directTopic } from '../../model/topic.ts'
import type { Topic } from '../generated/client.ts'
import type { TopicRecord, TopicStore } from '../topic-store.ts'
import type { Models } from './models.ts'
import { attemptAsync } from './unavailable.ts'

/** A topic exists while it is joined or has messages; the append maintains the counters. */
const present = { NOT: { name: directTopic }, OR: [{ joined: true }, { messages: { gt: 0 } }] }

/** Maximum joins stored per topic that are not explicit: enough to keep it joined. */
const maxJoinsPerTopic = 100

export function createTopicStore(components: { prisma: () => Models }): TopicStore {
  const { prisma } = components
  return {
    list: ({ after, limit }) =>
      attemptAsync(async () => {
        const later = after === undefined ? {} : { name: { gt: after } }
        const rows = await prisma().topic.findMany({ where: { ...present, ...later }, orderBy: { name: 'asc' }, take: limit })
        return rows.map(toRecord)
      }),
    get: (topic) =>
      attemptAsync(async () => {
        const row = await prisma().topic.findFirst({ where: { ...present, name: topic } })
        return row === null ? undefined : toRecord(row)
      }),
    joined: () =>
      attemptAsync(async () => {
        const rows = await prisma().topic.findMany({ where: { joined: true }, orderBy: { name: 'asc' }, select: { name: true } })
        return rows.map(({ name }) => name)
      }),
    // The join is stored first: a topic without joins would be left again.
    join: (topic, at, { client, explicit }) =>
      attemptAsync(async () => {
        await prisma().$executeRaw`INSERT INTO "TopicJoin" ("topic", "client", "explicit", "joinedAt", "usedAt")
          SELECT CAST(${topic} AS TEXT), CAST(${client} AS TEXT), CAST(${explicit} AS BOOLEAN), CAST(${at} AS BIGINT), CAST(${at} AS BIGINT)
          WHERE CAST(${explicit} AS BOOLEAN) OR EXISTS (SELECT 1 FROM "TopicJoin" WHERE "topic" = ${topic} AND "client" = ${client})
            OR (SELECT COUNT(*) FROM "TopicJoin" WHERE "topic" = ${topic}) < ${maxJoinsPerTopic}
          ON CONFLICT ("topic", "client") DO UPDATE SET "explicit" = "TopicJoin"."explicit" OR excluded."explicit", "usedAt" = excluded."usedAt"`
        // One statement, which reports whether it changed anything.
        const changed = await prisma().$executeRaw`INSERT INTO "Topic" ("name", "joined", "joinedAt") VALUES (${topic}, true, ${at})
          ON CONFLICT ("name") DO UPDATE SET "joined" = true, "joinedAt" = excluded."joinedAt" WHERE NOT "Topic"."joined"`
        return changed === 1
      }),
    joins: () =>
      attemptAsync(async () => {
        const rows = await prisma().topicJoin.findMany({ orderBy: [{ joinedAt: 'asc' }, { topic: 'asc' }, { client: 'asc' }] })
        return rows.map(({ joinedAt, usedAt, ...join }) => ({ ...join, joinedAt: Number(joinedAt), usedAt: Number(usedAt) }))
      }),
    used: (client, topics, at) =>
      attemptAsync(async () => {
        await prisma().topicJoin.updateMany({ where: { client, topic: { in: topics } }, data: { usedAt: at } })
      }),
    giveUp: ({ client, topic, usedBefore }) =>
      attemptAsync(async () => {
        const which = {
          ...(client === undefined ? {} : { client }),
          ...(topic === undefined ? {} : { topic }),
          ...(usedBefore === undefined ? {} : { usedAt: { lt: usedBefore } }),
        }
        await prisma().topicJoin.deleteMany({ where: { explicit: false, ...which } })
        const left = await prisma()
          .$executeRaw`UPDATE "Topic" SET "joined" = false, "joinedAt" = NULL WHERE "joined" AND NOT EXISTS (SELECT 1 FROM "TopicJoin" WHERE "topic" = "Topic"."name")`
        // Another gateway may have added a join between the two statements.
        const kept = await prisma()
          .$executeRaw`UPDATE "Topic" SET "joined" = true, "joinedAt" = (SELECT MAX("usedAt") FROM "TopicJoin" WHERE "topic" = "Topic"."name") WHERE NOT "joined" AND "name" IN (SELECT "topic" FROM "TopicJoin")`
        return left + kept > 0
      }),
    retain: (topic, { maxAgeMs, maxMessages, maxBytes }) =>
      attemptAsync(async () => {
        const limits = { maxAgeMs, maxMessages, maxBytes }
        const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
        // Prisma refuses an update of nothing where it may be followed by an insert.
        if (Object.keys(given).length === 0) return
        await prisma().topic.upsert({ where: { name: topic }, create: { name: topic, ...given }, update: given })
      }),
    leave: (topic) =>
      attemptAsync(async () => {
        await prisma().topicJoin.deleteMany({ where: { topic } })
        const changed = await prisma()
          .$executeRaw`UPDATE "Topic" SET "joined" = false, "joinedAt" = NULL WHERE "name" = ${topic} AND "joined"`
        return changed === 1
      }),
  }
}

function toRecord(row: Topic): TopicRecord {
  const messages = Number(row.messages)
  return {
    topic: row.name,
    joined: row.joined,
    joinedAt: orNull(row.joinedAt),
    messages,
    bytes: Number(row.bytes),
    earliest: messages === 0 ? 0 : Number(row.firstSeq) - 1,
    latest: messages === 0 ? 0 : Number(row.lastSeq),
    retention: { maxAgeMs: orNull(row.maxAgeMs), maxMessages: orNull(row.maxMessages), maxBytes: orNull(row.maxBytes) },
  }
}

function orNull(value: bigint | null): number | null {
  return value === null ? null : Number(value)
}
