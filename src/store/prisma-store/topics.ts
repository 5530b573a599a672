import { directTopic } from '../../model/topic.ts'
import type { TopicRecord, TopicStore } from '../store.ts'
import type { Topic } from './generated/sqlite/client.ts'
import type { Models } from './models.ts'
import { attemptAsync } from './unavailable.ts'

/** A topic is there while it is joined or has messages; the append keeps the counters. */
const present = { NOT: { name: directTopic }, OR: [{ joined: true }, { messages: { gt: 0 } }] }

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
    // One statement, which says whether it changed anything.
    join: (topic, at) =>
      attemptAsync(async () => {
        const changed = await prisma().$executeRaw`INSERT INTO "Topic" ("name", "joined", "joinedAt") VALUES (${topic}, true, ${at})
          ON CONFLICT ("name") DO UPDATE SET "joined" = true, "joinedAt" = excluded."joinedAt" WHERE NOT "Topic"."joined"`
        return changed === 1
      }),
    retain: (topic, { maxAgeMs, maxMessages, maxBytes }) =>
      attemptAsync(async () => {
        const limits = { maxAgeMs, maxMessages, maxBytes }
        const given = Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined))
        await prisma().topic.upsert({ where: { name: topic }, create: { name: topic, ...given }, update: given })
      }),
    leave: (topic) =>
      attemptAsync(async () => {
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
