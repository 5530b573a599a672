import { z } from 'zod'
import type { AuditStore, TokenRecord, TokenStore } from '../store.ts'
import type { Token } from './generated/sqlite/client.ts'
import type { Models } from './models.ts'
import { attemptAsync } from './unavailable.ts'

const wordsSchema = z.array(z.string())
const detailSchema = z.record(z.string(), z.unknown())

export function createTokenStore(components: { prisma: () => Models }): TokenStore {
  const { prisma } = components
  return {
    add: ({ id, name, hash, actions, topics, createdAt, expiresAt }) =>
      attemptAsync(async () => {
        const lists = { actions: JSON.stringify(actions), topics: JSON.stringify(topics) }
        await prisma().token.create({ data: { id, name, hash: Buffer.from(hash), ...lists, createdAt, expiresAt: expiresAt ?? null } })
      }),
    find: (hash) =>
      attemptAsync(async () => {
        const row = await prisma().token.findFirst({ where: { hash: Buffer.from(hash) } })
        return row === null ? undefined : toRecord(row)
      }),
    list: () =>
      attemptAsync(async () => {
        const rows = await prisma().token.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })
        return rows.map(toRecord)
      }),
    remove: (id) =>
      attemptAsync(async () => {
        const removed = (await prisma().token.deleteMany({ where: { id } })).count === 1
        // Without their token they allow nothing; a crash in between leaves them until they expire.
        await prisma().session.deleteMany({ where: { holder: id } })
        return removed
      }),
  }
}

function toRecord({ id, name, hash, actions, topics, createdAt, expiresAt }: Token): TokenRecord {
  return {
    id,
    name,
    hash,
    actions: wordsSchema.parse(JSON.parse(actions)),
    topics: wordsSchema.parse(JSON.parse(topics)),
    createdAt: Number(createdAt),
    expiresAt: expiresAt === null ? undefined : Number(expiresAt),
  }
}

export function createAuditStore(components: { prisma: () => Models }): AuditStore {
  const { prisma } = components
  return {
    note: ({ id, at, actor, act, detail }) =>
      attemptAsync(async () => {
        await prisma().auditEntry.create({ data: { id, at, actor, act, detail: JSON.stringify(detail) } })
      }),
    list: ({ before, limit }) =>
      attemptAsync(async () => {
        const where = before === undefined ? {} : { id: { lt: before } }
        const rows = await prisma().auditEntry.findMany({ where, orderBy: { id: 'desc' }, take: limit })
        return rows.map(({ id, at, actor, act, detail }) => ({
          id,
          at: Number(at),
          actor,
          act,
          detail: detailSchema.parse(JSON.parse(detail)),
        }))
      }),
    forget: ({ before, limit }) =>
      attemptAsync(async () => {
        const old = await prisma().auditEntry.findMany({
          where: { at: { lt: before } },
          orderBy: { at: 'asc' },
          take: limit,
          select: { id: true },
        })
        return (await prisma().auditEntry.deleteMany({ where: { id: { in: old.map(({ id }) => id) } } })).count
      }),
  }
}
