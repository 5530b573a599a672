import { z } from 'zod'
import { gapReasonSchema } from '../../model/gap.ts'
import type { Webhook } from '../generated/client.ts'
import type { WebhookChange, WebhookRecord, WebhookStore } from '../webhook-store.ts'
import type { Models, Turn } from './models.ts'
import { attemptAsync } from './unavailable.ts'

const settingsSchema = z.object({
  url: z.string(),
  topics: z.array(z.string()),
  direct: z.boolean(),
  batchSize: z.number(),
  batchMs: z.number(),
  timeoutMs: z.number(),
  headers: z.array(z.object({ name: z.string(), value: z.string() })),
})
const secretsSchema = z.array(z.object({ secret: z.string(), until: z.number().optional() }))
const gapSchema = z.object({ topic: z.string().optional(), from: z.string(), to: z.string(), reason: gapReasonSchema })
const progressSchema = z.object({
  cursor: z.string(),
  batch: z.object({ id: z.string(), through: z.string() }).optional(),
  gaps: z.array(gapSchema),
  lastGap: gapSchema.optional(),
  attempts: z.number(),
  failures: z.number(),
  failingSince: z.number().optional(),
  retryAt: z.number().optional(),
  lastError: z.string().optional(),
  acceptedAt: z.number().optional(),
})
const stateSchema = z.enum(['active', 'paused'])
const attemptSchema = z.object({
  at: z.number(),
  batch: z.string(),
  messages: z.number(),
  status: z.number().nullable(),
  durationMs: z.number(),
  error: z.string().nullable(),
})
const unclaimed = { claimedBy: null, claimedUntil: 0 }

export function createWebhookStore(components: {
  prisma: () => Models
  /** For attempts, which may be lost with the power. */
  turn: Turn
}): WebhookStore {
  const { prisma, turn } = components

  return {
    add: ({ settings, secrets, progress, rightsUntil = null, ...webhook }, { max, maxOfClient }) =>
      attemptAsync(async () => {
        const { client } = webhook
        if ((await prisma().webhook.count()) >= max || (await prisma().webhook.count({ where: { client } })) >= maxOfClient) return false
        const json = { settings: JSON.stringify(settings), secrets: JSON.stringify(secrets), progress: JSON.stringify(progress) }
        await prisma().webhook.create({ data: { ...webhook, ...json, state: 'active', rightsUntil } })
        return true
      }),
    get: (id) =>
      attemptAsync(async () => {
        const row = await prisma().webhook.findFirst({ where: { id } })
        return row === null ? undefined : toRecord(row)
      }),
    list: ({ owner, after, limit }) =>
      attemptAsync(async () => {
        const where = { ...(owner === undefined ? {} : { owner }), ...(after === undefined ? {} : { id: { gt: after } }) }
        return (await prisma().webhook.findMany({ where, orderBy: { id: 'asc' }, take: limit })).map(toRecord)
      }),
    take: ({ id, by, until }) =>
      attemptAsync(async () => {
        const data = { revision: { increment: 1 }, claimedBy: by, claimedUntil: until }
        if ((await prisma().webhook.updateMany({ where: { id }, data })).count === 0) return undefined
        const row = await prisma().webhook.findFirst({ where: { id } })
        return row === null ? undefined : toRecord(row)
      }),
    change: ({ id, revision }, changes) =>
      attemptAsync(async () => {
        const data = { ...columnsOf(changes), ...unclaimed, revision: { increment: 1 } }
        return (await prisma().webhook.updateMany({ where: { id, revision }, data })).count === 1
      }),
    remove: (id) =>
      attemptAsync(async () => {
        const { count } = await prisma().webhook.deleteMany({ where: { id } })
        await prisma().webhookAttempt.deleteMany({ where: { webhook: id } })
        return count === 1
      }),
    claim: ({ by, now, until, limit }) =>
      attemptAsync(async () => {
        const free = { state: 'active', claimedUntil: { lte: now } }
        const rows = await prisma().webhook.findMany({ where: free, orderBy: { claimedUntil: 'asc' }, take: limit, select: { id: true } })
        const claimed: WebhookRecord[] = []
        for (const { id } of rows) {
          const { count } = await prisma().webhook.updateMany({ where: { id, ...free }, data: { claimedBy: by, claimedUntil: until } })
          const row = count === 0 ? null : await prisma().webhook.findFirst({ where: { id, claimedBy: by } })
          if (row !== null) claimed.push(toRecord(row))
        }
        return claimed
      }),
    renew: ({ by, ids, until }) =>
      attemptAsync(async () => {
        const where = { claimedBy: by, id: { in: ids } }
        const { count } = await prisma().webhook.updateMany({ where, data: { claimedUntil: until } })
        if (count === ids.length) return ids
        return (await prisma().webhook.findMany({ where, select: { id: true } })).map(({ id }) => id)
      }),
    note: ({ id, by, revision }, noted) =>
      attemptAsync(async () => {
        const where = { id, claimedBy: by, revision }
        return (await prisma().webhook.updateMany({ where, data: columnsOf(noted) })).count === 1
      }),
    release: ({ by, id }) =>
      attemptAsync(async () => void (await prisma().webhook.updateMany({ where: { id, claimedBy: by }, data: unclaimed }))),
    disown: (by) => attemptAsync(async () => void (await prisma().webhook.updateMany({ where: { claimedBy: by }, data: unclaimed }))),
    attempted: (webhook, { number, ...attempt }, kept) =>
      attemptAsync(async () => {
        const slot = number % kept
        const row = { number, attempt: JSON.stringify(attempt) }
        await turn(() =>
          prisma().webhookAttempt.upsert({
            where: { webhook_slot: { webhook, slot } },
            create: { webhook, slot, ...row },
            update: row,
          }),
        )
      }),
    attempts: (webhook) =>
      attemptAsync(async () => {
        const rows = await prisma().webhookAttempt.findMany({ where: { webhook }, orderBy: { number: 'desc' } })
        return rows.map(({ number, attempt }) => ({ number, ...attemptSchema.parse(JSON.parse(attempt)) }))
      }),
  }
}

function columnsOf({ state, settings, secrets, progress }: WebhookChange) {
  return {
    ...(state === undefined ? {} : { state }),
    ...(settings === undefined ? {} : { settings: JSON.stringify(settings) }),
    ...(secrets === undefined ? {} : { secrets: JSON.stringify(secrets) }),
    ...(progress === undefined ? {} : { progress: JSON.stringify(progress) }),
  }
}

function toRecord({ settings, secrets, progress, state, rightsUntil, ...row }: Webhook): WebhookRecord {
  const { id, owner, client, revision, createdAt } = row
  return {
    ...{ id, owner, client, revision, createdAt: Number(createdAt), state: stateSchema.parse(state) },
    settings: settingsSchema.parse(JSON.parse(settings)),
    secrets: secretsSchema.parse(JSON.parse(secrets)),
    progress: progressSchema.parse(JSON.parse(progress)),
    rightsUntil: rightsUntil === null ? undefined : Number(rightsUntil),
  }
}
