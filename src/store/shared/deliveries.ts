import { z } from 'zod'
import type { DeliveryRecord, DeliveryStore } from '../delivery-store.ts'
import type { Delivery } from '../generated/client.ts'
import { afterPrefix } from './after-prefix.ts'
import { checksumOfEnvelope } from './checksum.ts'
import type { Models, Turn } from './models.ts'
import { attemptAsync } from './unavailable.ts'

const stateSchema = z.enum(['queued', 'delivered', 'expired', 'refused', 'cancelled'])

/** `dueAt` of a recipient with nothing queued: beyond the life of any clock. */
const never = 2 ** 52
const nothing = Buffer.alloc(0)
/** Maximum deliveries that one page with `updatedSince` scans, in order of id. */
const lookedRows = 2_000
/** Envelopes are large, and only the sender needs them. */
const omit = { envelope: true } as const

export function createDeliveryStore(components: {
  prisma: () => Models
  /** For claims and failed attempts. What a power loss takes back of these is restored by `disown` and `settle`. */
  turn: Turn
}): DeliveryStore {
  const { prisma, turn } = components

  async function takenKey(key: string | undefined, since: number) {
    if (key === undefined) return undefined
    const row = await prisma().delivery.findFirst({ where: { idempotencyKey: key }, omit })
    if (row === null) return undefined
    if (row.createdAt >= since) return { delivery: toRecord(row), fingerprint: row.fingerprint ?? undefined, known: true }
    await prisma().delivery.updateMany({ where: { id: row.id }, data: { idempotencyKey: null } })
    return undefined
  }

  async function makeDue(recipient: string, client: string, now: number): Promise<void> {
    await turn(
      () => prisma().$executeRaw`INSERT INTO "Outbox" ("recipient", "client", "dueAt") VALUES (${recipient}, ${client}, ${BigInt(now)})
      ON CONFLICT ("recipient") DO UPDATE SET "client" = excluded."client", "dueAt" = excluded."dueAt"
        WHERE "Outbox"."dueAt" = ${BigInt(never)}`,
    )
  }

  return {
    add: ({ id, messageId, client, to, envelope, expiresAt, createdAt, idempotency }, since) =>
      attemptAsync(async () => {
        const taken = await takenKey(idempotency?.key, since)
        if (taken !== undefined) return taken
        const data = {
          ...{ id, messageId, client, recipient: to, state: 'queued', expiresAt, createdAt, updatedAt: createdAt },
          ...{ envelope: Buffer.from(envelope), bytes: envelope.length, checksum: checksumOfEnvelope(envelope) },
          ...(idempotency && { idempotencyKey: idempotency.key, fingerprint: Buffer.from(idempotency.fingerprint) }),
        }
        try {
          const row = await prisma().delivery.create({ data })
          // The delivery is accepted from here on; `settle` finds recipients that were not made due.
          await makeDue(to, client, createdAt).catch(() => undefined)
          return { delivery: toRecord(row), fingerprint: idempotency?.fingerprint, known: false }
        } catch (error) {
          // Another gateway may have taken the key meanwhile.
          const meanwhile = await takenKey(idempotency?.key, since)
          if (meanwhile === undefined) throw error
          return meanwhile
        }
      }),
    underKey: (key, since) =>
      attemptAsync(async () => {
        const row = await prisma().delivery.findFirst({ where: { idempotencyKey: key, createdAt: { gte: since } }, omit })
        return row === null ? undefined : { delivery: toRecord(row), fingerprint: row.fingerprint ?? undefined }
      }),
    countKeys: (prefix, since, limit) =>
      attemptAsync(async () => {
        const where = { idempotencyKey: { gte: prefix, lt: afterPrefix(prefix) }, createdAt: { gte: since } }
        return await prisma().delivery.count({ where, orderBy: { idempotencyKey: 'asc' }, take: limit })
      }),
    get: (id) =>
      attemptAsync(async () => {
        const row = await prisma().delivery.findFirst({ where: { id }, omit })
        return row === null ? undefined : toRecord(row)
      }),
    list: ({ after = '', limit, state, to, updatedSince }) =>
      attemptAsync(async () => {
        const which = { ...(state === undefined ? {} : { state }), ...(to === undefined ? {} : { recipient: to }) }
        const order = { orderBy: { id: 'asc' } } as const
        // No index covers both id and time, so the number of scanned rows is bounded.
        const last =
          updatedSince === undefined
            ? null
            : await prisma().delivery.findFirst({
                where: { id: { gt: after }, ...which },
                ...order,
                skip: lookedRows - 1,
                select: { id: true },
              })
        const ids = { gt: after, ...(last === null ? {} : { lte: last.id }) }
        const since = updatedSince === undefined ? {} : { updatedAt: { gte: updatedSince } }
        const rows = await prisma().delivery.findMany({ where: { id: ids, ...which, ...since }, ...order, take: limit + 1, omit })
        const items = rows.slice(0, limit).map(toRecord)
        return { items, next: rows.length > limit ? (items.at(-1)?.id ?? null) : (last?.id ?? null) }
      }),
    queued: () =>
      attemptAsync(async () => {
        const counts = { _count: true, _sum: { bytes: true } } as const
        const rows = await prisma().delivery.groupBy({ by: ['client'], where: { state: 'queued' }, orderBy: { client: 'asc' }, ...counts })
        return rows.map(({ client, _count, _sum }) => ({ client, deliveries: _count, bytes: _sum.bytes ?? 0 }))
      }),
    end: (id, { state, lastError, now }) =>
      attemptAsync(async () => {
        const data = { state, updatedAt: now, envelope: nothing, ...(lastError === undefined ? {} : { lastError }) }
        return (await prisma().delivery.updateMany({ where: { id, state: 'queued' }, data })).count === 1
      }),
    expire: ({ now, limit }) =>
      attemptAsync(async () => {
        const rows = await prisma().delivery.findMany({
          where: { state: 'queued', expiresAt: { lte: now } },
          orderBy: { expiresAt: 'asc' },
          take: limit,
          omit,
        })
        const ended = { state: 'expired', updatedAt: now, envelope: nothing }
        const ids = rows.map(({ id }) => id)
        if (ids.length > 0) await prisma().delivery.updateMany({ where: { id: { in: ids }, state: 'queued' }, data: ended })
        return rows.map((row) => ({ ...toRecord(row), state: 'expired' as const, updatedAt: now }))
      }),
    clientsDue: ({ now, after, limit }) =>
      attemptAsync(async () => {
        // Jumps from one client to the next in the index, however many recipients each has.
        const rows = await prisma().$queryRaw<Array<{ client: string }>>`WITH RECURSIVE "Holder" AS (
            SELECT (SELECT MIN(o."client") FROM "Outbox" AS o) AS "client"
            UNION ALL
            SELECT (SELECT MIN(o."client") FROM "Outbox" AS o WHERE o."client" > h."client") FROM "Holder" AS h WHERE h."client" IS NOT NULL
          )
          SELECT h."client" AS "client" FROM "Holder" AS h
          WHERE EXISTS (
            SELECT 1 FROM "Outbox" AS o
            WHERE o."client" = h."client" AND o."dueAt" <= ${BigInt(now)} AND o."claimedUntil" <= ${BigInt(now)}
          )
          ORDER BY CASE WHEN h."client" > ${after} THEN 0 ELSE 1 END, h."client" LIMIT ${limit}`
        return rows.map(({ client }) => client)
      }),
    claimFor: ({ by, client, recipient, now, until }) =>
      attemptAsync(async () => {
        const where = { recipient, dueAt: { lte: now }, claimedUntil: { lte: now } }
        return (await turn(() => prisma().outbox.updateMany({ where, data: { client, claimedBy: by, claimedUntil: until } }))).count === 1
      }),
    claim: ({ by, client, now, until, limit }) =>
      attemptAsync(async () => {
        const free = { client, dueAt: { lte: now }, claimedUntil: { lte: now } }
        const rows = await prisma().outbox.findMany({ where: free, orderBy: { dueAt: 'asc' }, take: limit, select: { recipient: true } })
        const claimed: string[] = []
        for (const { recipient } of rows) {
          const data = { claimedBy: by, claimedUntil: until }
          if ((await turn(() => prisma().outbox.updateMany({ where: { recipient, ...free }, data }))).count === 1) claimed.push(recipient)
        }
        return claimed
      }),
    disown: (by) =>
      attemptAsync(async () => {
        await turn(() => prisma().outbox.updateMany({ where: { claimedBy: by }, data: { claimedBy: null, claimedUntil: 0 } }))
      }),
    renew: ({ by, recipient, until }) =>
      attemptAsync(
        async () =>
          (await turn(() => prisma().outbox.updateMany({ where: { recipient, claimedBy: by }, data: { claimedUntil: until } }))).count ===
          1,
      ),
    next: ({ recipient, now, limit, maxBytes }) =>
      attemptAsync(async () => {
        // Not `expiresAt > now`: SQLite would consider that the most selective condition, and sort all queued
        // deliveries.
        const where = { state: 'queued', recipient, NOT: { expiresAt: { lte: now } } }
        const rows = await prisma().delivery.findMany({ where, orderBy: { id: 'asc' }, take: limit, select: { id: true, bytes: true } })
        const ids = firstOf(rows, maxBytes)
        const found = await prisma().delivery.findMany({ where: { id: { in: ids }, state: 'queued' }, orderBy: { id: 'asc' } })
        return found.map((row) => ({
          ...toRecord(row),
          envelope: checksumOfEnvelope(row.envelope) === row.checksum ? row.envelope : undefined,
        }))
      }),
    check: ({ after, limit }) =>
      attemptAsync(async () => {
        const where = { state: 'queued', id: { gt: after } }
        const select = { id: true, envelope: true, checksum: true } as const
        const rows = await prisma().delivery.findMany({ where, orderBy: { id: 'asc' }, take: limit, select })
        const damaged = rows.filter(({ envelope, checksum }) => checksumOfEnvelope(envelope) !== checksum).map(({ id }) => id)
        return { damaged, looked: rows.length, next: rows.length < limit ? null : (rows.at(-1)?.id ?? null) }
      }),
    failed: ({ by, recipient, id, lastError, dueAt, now }) =>
      attemptAsync(async () => {
        await turn(() =>
          prisma().delivery.updateMany({
            where: { id, state: 'queued' },
            data: { attempts: { increment: 1 }, lastError, updatedAt: now },
          }),
        )
        const data = { attempts: { increment: 1 }, dueAt, claimedBy: null, claimedUntil: 0 }
        await turn(() => prisma().outbox.updateMany({ where: { recipient, claimedBy: by }, data }))
      }),
    attempts: (recipient) =>
      attemptAsync(async () => (await prisma().outbox.findFirst({ where: { recipient }, select: { attempts: true } }))?.attempts ?? 0),
    release: ({ by, recipient }) =>
      attemptAsync(async () => {
        const data = { client: '', attempts: 0, dueAt: never, claimedBy: null, claimedUntil: 0 }
        await turn(() => prisma().outbox.updateMany({ where: { recipient, claimedBy: by }, data }))
        // Deliveries added between the last read and the release are due again.
        const more = await prisma().delivery.findFirst({ where: { state: 'queued', recipient }, select: { client: true, createdAt: true } })
        if (more !== null) await makeDue(recipient, more.client, Number(more.createdAt))
      }),
    take: ({ by, recipient, until }) =>
      attemptAsync(async () => {
        const data = { claimedBy: by, claimedUntil: until }
        const { count } = await turn(() => prisma().outbox.updateMany({ where: { recipient, dueAt: { lt: never } }, data }))
        if (count === 0) return undefined
        return (await prisma().outbox.findFirst({ where: { recipient }, select: { client: true } }))?.client
      }),
    settle: (now) =>
      attemptAsync(async () => {
        await turn(
          () => prisma().$executeRaw`INSERT INTO "Outbox" ("recipient", "dueAt")
          SELECT DISTINCT d."recipient", CAST(${BigInt(now)} AS BIGINT) FROM "Delivery" AS d WHERE d."state" = 'queued'
          ON CONFLICT ("recipient") DO UPDATE SET "dueAt" = excluded."dueAt" WHERE "Outbox"."dueAt" = ${BigInt(never)}`,
        )
      }),
    forget: ({ before, limit }) =>
      attemptAsync(async () => {
        const old = await prisma().delivery.findMany({
          where: { updatedAt: { lt: before }, state: { not: 'queued' } },
          orderBy: { updatedAt: 'asc' },
          take: limit,
          select: { id: true, recipient: true },
        })
        const { count } = await prisma().delivery.deleteMany({ where: { id: { in: old.map(({ id }) => id) } } })
        const gone = new Set(old.map(({ recipient }) => recipient))
        for (const recipient of gone) {
          const left = await prisma().delivery.findFirst({ where: { recipient }, select: { id: true } })
          if (left === null) await turn(() => prisma().outbox.deleteMany({ where: { recipient, dueAt: never } }))
        }
        return count
      }),
  }
}

/** Ids of the first deliveries that total at most `maxBytes`; at least one. */
function firstOf(rows: Array<{ id: string; bytes: number }>, maxBytes: number): string[] {
  let sum = 0
  const over = rows.findIndex(({ bytes }) => {
    sum += bytes
    return sum > maxBytes
  })
  return rows.slice(0, over === -1 ? rows.length : Math.max(1, over)).map(({ id }) => id)
}

function toRecord({
  id,
  messageId,
  recipient,
  state,
  attempts,
  lastError,
  bytes,
  expiresAt,
  createdAt,
  updatedAt,
}: Omit<Delivery, 'envelope' | 'client'>): DeliveryRecord {
  return {
    ...{ id, messageId, to: recipient, state: stateSchema.parse(state), attempts, lastError, bytes },
    ...{ expiresAt: Number(expiresAt), createdAt: Number(createdAt), updatedAt: Number(updatedAt) },
  }
}
