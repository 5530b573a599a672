import { z } from 'zod'
import type { Session } from '../generated/client.ts'
import type { SessionRecord, SessionStore } from '../session-store.ts'
import type { Models } from './models.ts'
import { attemptAsync } from './unavailable.ts'

const wordsSchema = z.array(z.string())
const basisSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('token'), hash: z.string() }),
  z.object({ kind: z.literal('operator'), proof: z.string() }),
  z.object({ kind: z.literal('subject'), actions: wordsSchema, topics: z.object({ exact: wordsSchema, patterns: wordsSchema }) }),
])

export function createSessionStore(components: { prisma: () => Models }): SessionStore {
  const { prisma } = components

  /** Removes a holder's sessions except the newest `keep`. */
  async function removeOldest(holder: string, keep: number): Promise<void> {
    const order = [{ createdAt: 'desc' as const }, { id: 'desc' as const }]
    const old = await prisma().session.findMany({ where: { holder }, orderBy: order, skip: keep, select: { id: true } })
    if (old.length > 0) await prisma().session.deleteMany({ where: { id: { in: old.map(({ id }) => id) } } })
  }

  return {
    add: ({ id, holder, basis, createdAt, expiresAt }, { max, maxOfHolder }) =>
      attemptAsync(async () => {
        const added = await prisma().$executeRaw`INSERT INTO "Session" ("id", "holder", "basis", "createdAt", "expiresAt")
          SELECT CAST(${id} AS TEXT), CAST(${holder} AS TEXT), CAST(${JSON.stringify(basis)} AS TEXT),
            CAST(${BigInt(createdAt)} AS BIGINT), CAST(${BigInt(expiresAt)} AS BIGINT)
          WHERE (SELECT count(*) FROM "Session") < CAST(${max} AS BIGINT)
            OR (SELECT count(*) FROM "Session" WHERE "holder" = ${holder}) >= CAST(${maxOfHolder} AS BIGINT)`
        if (added === 0) return false
        await removeOldest(holder, maxOfHolder)
        return true
      }),
    find: (id) =>
      attemptAsync(async () => {
        const row = await prisma().session.findFirst({ where: { id } })
        return row === null ? undefined : toRecord(row)
      }),
    missing: (ids) =>
      attemptAsync(async () => {
        const rows = await prisma().session.findMany({ where: { id: { in: ids } }, select: { id: true } })
        const there = new Set(rows.map(({ id }) => id))
        return ids.filter((id) => !there.has(id))
      }),
    remove: (id) => attemptAsync(async () => (await prisma().session.deleteMany({ where: { id } })).count === 1),
    forget: ({ before, limit }) =>
      attemptAsync(async () => {
        const where = { expiresAt: { lt: before } }
        const old = await prisma().session.findMany({ where, orderBy: { expiresAt: 'asc' }, take: limit, select: { id: true } })
        if (old.length === 0) return 0
        return (await prisma().session.deleteMany({ where: { id: { in: old.map(({ id }) => id) } } })).count
      }),
  }
}

function toRecord({ id, holder, basis, createdAt, expiresAt }: Session): SessionRecord {
  return { id, holder, basis: basisSchema.parse(JSON.parse(basis)), createdAt: Number(createdAt), expiresAt: Number(expiresAt) }
}
