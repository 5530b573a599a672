import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createPostgresStore } from '../../src/store/postgres/store.ts'
import { checksumOf } from '../../src/store/shared/checksum.ts'
import type { Store } from '../../src/store/store.ts'
import { silentLog } from '../fixtures/log.ts'
import { makeTemporaryDirectory } from '../fixtures/make-temporary-directory.ts'
import { postgresForTests } from '../fixtures/postgres-for-tests.ts'
import { hasPostgres } from '../fixtures/postgres-server.ts'
import { storeStatements } from '../fixtures/store-statements.ts'

const rows = 200_000
/** Enough for a prepared statement to get its generic plan, which PostgreSQL considers from the sixth time on. */
const times = 7
/** Rows that a statement may look at, on average: a step of the log looks at 2,000, and for an outline up to three times. */
const maxLookedAt = 8_000

/** Of the messages below: what does not fit would be taken out of the log. */
function checksums(): string {
  const byte = new Uint8Array(1)
  const topicOf = (n: number) => (n <= 5 ? 'rare' : n % 10 === 0 ? `quiet ${n % 1_000}` : 'busy')
  const parts = { sequence: byte, signature: byte, data: byte }
  return Array.from({ length: rows }, (_, index) => index + 1)
    .map((n) => checksumOf({ id: `id ${n}`, topic: topicOf(n), from: `a${n % 7}`, ...parts }))
    .join()
}

/** A log of 200,000 messages in a thousand topics, and much of everything else; few deliveries are queued. */
const fill = `
  ${['Message', 'Topic', 'TopicJoin', 'SeenId', 'IdempotencyKey', 'Peer', 'Record', 'Session', 'Delivery', 'Outbox', 'Consumer', 'ConsumerItem', 'Webhook', 'WebhookAttempt'].map((table) => `DELETE FROM "${table}"`).join(';')};
  INSERT INTO "Message" ("seq", "id", "topic", "author", "sequence", "dataAbsent", "signature", "receivedAt", "storedAt", "checksum", "sum", "data")
    SELECT n, 'id ' || n, CASE WHEN n <= 5 THEN 'rare' WHEN n % 10 = 0 THEN 'quiet ' || n % 1000 ELSE 'busy' END, 'a' || n % 7,
      '\\x00', false, '\\x00', n, n, c.sum, 3 * n, '\\x00' FROM unnest('{${checksums()}}'::integer[]) WITH ORDINALITY AS c(sum, n);
  INSERT INTO "Topic" ("name", "messages", "bytes", "firstSeq", "lastSeq", "prunedAt", "prunedThrough", "emptySince")
    SELECT m."topic", count(*), count(*), min(m."seq"), max(m."seq"), 0, 0, NULL FROM "Message" AS m GROUP BY m."topic";
  INSERT INTO "Topic" ("name", "prunedAt", "emptySince") SELECT 'empty ' || n, 0, n FROM generate_series(1, 20000) AS n;
  UPDATE "Log" SET "tip" = ${rows};
  INSERT INTO "TopicJoin" SELECT 'busy', 'tok ' || n, false, n, n FROM generate_series(1, 20000) AS n;
  INSERT INTO "SeenId" SELECT 'seen ' || n, n FROM generate_series(1, 20000) AS n;
  INSERT INTO "IdempotencyKey" SELECT 'tok_' || n % 100 || ' ' || n, '\\x00', '[]', n FROM generate_series(1, 20000) AS n;
  INSERT INTO "SentMark" SELECT 'a' || n, n FROM generate_series(1, 20000) AS n;
  INSERT INTO "Peer" SELECT 'peer ' || n, '[]', NULL, '[]', CASE WHEN n % 2 = 0 THEN 'label' END, false, n, n, n FROM generate_series(1, 20000) AS n;
  INSERT INTO "Record" SELECT '/' || CASE WHEN n < 5 THEN 'few' ELSE 'many' END || '/' || n, '\\x00' FROM generate_series(1, 20000) AS n;
  INSERT INTO "Token" SELECT 'tok_' || n, '', decode(md5(n::text), 'hex'), '[]', '[]', n FROM generate_series(1, 20000) AS n;
  INSERT INTO "Session" SELECT 'session ' || n, 'tok_' || n, '{"kind":"token","hash":""}', n, n FROM generate_series(1, 20000) AS n;
  INSERT INTO "AuditEntry" SELECT 'audit ' || n, n, '', '', '{}' FROM generate_series(1, 20000) AS n;
  INSERT INTO "Delivery" ("id", "messageId", "recipient", "client", "state", "bytes", "expiresAt", "createdAt", "updatedAt", "checksum", "envelope")
    SELECT 'd ' || n, '', 'peer ' || n % 5000, 'tok_1', CASE WHEN n <= 50 THEN 'queued' ELSE 'delivered' END, 1, 1e15, n, n, 0, ''
    FROM generate_series(1, 20000) AS n;
  INSERT INTO "Consumer" SELECT 'consumer ' || n, '', '{"topics":[],"direct":false,"order":"author","ackWaitMs":1,"maxUnacked":100,"maxDeliveries":5,"backoffMs":1}',
    n, 0, 0 FROM generate_series(1, 100) AS n;
  INSERT INTO "ConsumerItem" SELECT 'consumer ' || 1 + n % 100, 'message ' || n, n, 'a' || n % 7, 1, CASE WHEN n % 2 = 0 THEN n ELSE 2 ^ 52 END
    FROM generate_series(1, 20000) AS n;
  INSERT INTO "Webhook" ("id", "owner", "client", "state", "settings", "secrets", "progress", "claimedBy", "claimedUntil", "createdAt")
    SELECT 'webhook ' || n, 'tok_' || n % 5000, 'tok_' || n % 5000, 'active',
      '{"url":"","topics":[],"direct":false,"batchSize":1,"batchMs":0,"timeoutMs":1,"headers":[]}', '[]',
      '{"cursor":"","gaps":[],"attempts":0,"failures":0}', CASE WHEN n > 100 THEN 'other' END, CASE WHEN n > 100 THEN 1e15 ELSE 0 END, n
    FROM generate_series(1, 20000) AS n;
  INSERT INTO "WebhookAttempt" SELECT 'webhook ' || n / 100, n % 100, n, '{"at":1,"batch":"","messages":1,"status":200,"durationMs":1,"error":null}'
    FROM generate_series(1, 20000) AS n;
  INSERT INTO "Outbox" ("recipient", "dueAt") SELECT 'peer ' || n, 1e15 FROM generate_series(1, 5000) AS n;`

const server = postgresForTests({ fsync: false })
const statements = storeStatements(() => rows)

/** Has every connection say what it has read as soon as it has answered, not a second later; answers a function that waits for that. */
function reportAtOnce(): () => Promise<void> {
  const { query } = pg.Client.prototype
  const reports = new Set<Promise<unknown>>()
  vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...given: unknown[]) {
    const answer: unknown = Reflect.apply(query, this, given)
    const report: unknown = Reflect.apply(query, this, ['SELECT pg_stat_force_next_flush()'])
    if (report instanceof Promise) reports.add(report.catch(() => undefined))
    return answer
  } as typeof query)
  return async () => {
    while (reports.size > 0) {
      const waiting = [...reports]
      await Promise.all(waiting)
      for (const report of waiting) reports.delete(report)
    }
  }
}

describe.skipIf(!hasPostgres).each(['nobody has analysed', 'were analysed'])('on tables that %s (needs PostgreSQL)', (state) => {
  let url = ''
  let directory = ''
  let store: Store
  let reported: () => Promise<void>

  beforeAll(async () => {
    url = await server().createDatabase()
    directory = await makeTemporaryDirectory()
    reported = reportAtOnce()
    store = createPostgresStore({ url, servedMarkFile: join(directory, 'served'), migrate: true }, { logger: silentLog })
    await store.start()
    // Its plans are made while there is nothing, and kept.
    for (const { run } of statements) for (let time = 0; time < times; time++) await run(store)
    await server().query(url, `ALTER SYSTEM SET autovacuum = off`)
    await server().query(url, 'SELECT pg_reload_conf()')
    await server().query(url, fill)
    if (state === 'were analysed') await server().query(url, 'ANALYZE')
  })

  afterAll(async () => {
    await store.stop()
    vi.restoreAllMocks()
    await rm(directory, { recursive: true })
  })

  test.each(statements)('$name looks rows up by an index', { timeout: 60_000 }, async ({ run, whole = {} }) => {
    await reported()
    await server().query(url, 'SELECT pg_stat_reset()')
    for (let time = 0; time < times; time++) await run(store)
    await reported()
    const looked = await server().query(
      url,
      `SELECT t.relname AS table, t.seq_tup_read::float8 + (SELECT coalesce(sum(i.idx_tup_read), 0) FROM pg_stat_user_indexes AS i
        WHERE i.relid = t.relid)::float8 AS rows FROM pg_stat_user_tables AS t ORDER BY 2 DESC`,
    )
    const perRun = looked.map(({ table, rows }) => ({ table: String(table), rows: Number(rows) / times }))
    expect(perRun.filter(({ table, rows }) => rows > maxLookedAt && !(table in whole))).toEqual([])
    expect(looked.length).toBeGreaterThan(10)
  })
})
