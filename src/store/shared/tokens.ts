import { z } from 'zod'
import type { AuditStore } from '../audit-store.ts'
import type { Token } from '../generated/client.ts'
import type { CreatedToken, TokenRecord, TokenStore } from '../token-store.ts'
import type { Models } from './models.ts'
import { attemptAsync } from './unavailable.ts'

const wordsSchema = z.array(z.string())
const detailSchema = z.record(z.string(), z.unknown())

/** Changes of several rows or that depend on all of them, each in one transaction; implemented per database. */
export type TokenChanges = Pick<TokenStore, 'add' | 'remove' | 'used'>

export function createTokenStore(components: { prisma: () => Models; changes: TokenChanges }): TokenStore {
  const { prisma, changes } = components
  return {
    add: (token, conditions) => attemptAsync(() => changes.add(token, conditions)),
    createdUnder: (key, since) =>
      attemptAsync(async () => {
        const row = await prisma().idempotencyKey.findFirst({ where: { key, createdAt: { gte: since } } })
        return row === null ? undefined : { fingerprint: row.fingerprint, token: tokenOfKey(row.items) }
      }),
    remove: (id, conditions) => attemptAsync(() => changes.remove(id, conditions)),
    used: (times) => attemptAsync(() => changes.used(times)),
    find: (hash) =>
      attemptAsync(async () => {
        const row = await prisma().token.findFirst({ where: { hash: Buffer.from(hash) } })
        return row === null ? undefined : toRecord(row)
      }),
    get: (id) =>
      attemptAsync(async () => {
        const row = await prisma().token.findUnique({ where: { id } })
        return row === null ? undefined : toRecord(row)
      }),
    list: () =>
      attemptAsync(async () => {
        const rows = await prisma().token.findMany({ orderBy: [{ createdAt: 'asc' }, { id: 'asc' }] })
        return rows.map(toRecord)
      }),
    missing: (ids) =>
      attemptAsync(async () => {
        const rows = await prisma().token.findMany({ where: { id: { in: ids } }, select: { id: true } })
        const there = new Set(rows.map(({ id }) => id))
        return ids.filter((id) => !there.has(id))
      }),
    page: ({ after, limit }) =>
      attemptAsync(async () => {
        const later = after && {
          createdAt: { gte: after.createdAt },
          OR: [{ createdAt: { gt: after.createdAt } }, { id: { gt: after.id } }],
        }
        const rows = await prisma().token.findMany({ where: later ?? {}, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }], take: limit })
        return rows.map(toRecord)
      }),
    rename: (id, name) => attemptAsync(async () => (await prisma().token.updateMany({ where: { id }, data: { name } })).count === 1),
  }
}

export const tokenColumnNames = ['id', 'name', 'hash', 'actions', 'topics', 'createdAt', 'expiresAt', 'lastUsedAt']

/** The column values, in column order. */
export function tokenValues({ id, name, hash, actions, topics, createdAt, expiresAt, lastUsedAt }: TokenRecord) {
  return [id, name, Buffer.from(hash), JSON.stringify(actions), JSON.stringify(topics), createdAt, expiresAt ?? null, lastUsedAt ?? null]
}

const tokenOfKeySchema = z.object({
  id: z.string(),
  name: z.string(),
  actions: wordsSchema,
  topics: wordsSchema,
  createdAt: z.number(),
  expiresAt: z.number().optional(),
})

/** What a key notes of the token that it created: nothing secret, not even the hash. */
export function itemsOfKey({ id, name, actions, topics, createdAt, expiresAt }: TokenRecord): string {
  return JSON.stringify({ id, name, actions, topics, createdAt, expiresAt })
}

function tokenOfKey(items: string): CreatedToken {
  const { expiresAt, ...token } = tokenOfKeySchema.parse(JSON.parse(items))
  return { ...token, expiresAt }
}

/** SQL: whether a row is a token that allows `admin` and does not expire. */
export const isLastingAdmin = `"expiresAt" IS NULL AND "actions" LIKE '%"admin"%'`

function toRecord(
  row: Omit<Token, 'hash' | 'createdAt' | 'expiresAt' | 'lastUsedAt'> & {
    hash: Uint8Array
    createdAt: bigint | number
    expiresAt: bigint | number | null
    lastUsedAt: bigint | number | null
  },
): TokenRecord {
  const { id, name, hash, actions, topics, createdAt, expiresAt, lastUsedAt } = row
  return {
    id,
    name,
    hash,
    actions: wordsSchema.parse(JSON.parse(actions)),
    topics: wordsSchema.parse(JSON.parse(topics)),
    createdAt: Number(createdAt),
    expiresAt: expiresAt === null ? undefined : Number(expiresAt),
    lastUsedAt: lastUsedAt === null ? undefined : Number(lastUsedAt),
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
