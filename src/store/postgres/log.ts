import type { Logger } from 'pino'
import { DatabaseFull, DatabaseReadOnly } from '../../errors.ts'
import { createWriteBehind } from '../../lib/write-behind.ts'
import type { Seq } from '../../model/cursor.ts'
import type { StoredMessage } from '../../model/message.ts'
import type { AppendEntry, PublishedItem } from '../log-append.ts'
import { type Damaged, type LogQuery, type LogStep, type LogStore, type Pruned, unpaid } from '../log-store.ts'
import { afterPrefix } from '../shared/after-prefix.ts'
import { type DamageNews, misplaced, type ReadRow, sort, withRemoved } from '../shared/damage.ts'
import { drawEpoch, warnOfEpoch, warnOfNewLog } from '../shared/epoch.ts'
import type { FilesInPlace } from '../shared/files-in-place.ts'
import { probeKey } from '../shared/probe-key.ts'
import { withRecipients } from '../shared/published.ts'
import type { ServedMarks } from '../shared/served-mark.ts'
import { databaseDamaged } from '../shared/unavailable.ts'
import { describeRows, findMissing, takeOut } from './damage.ts'
import type { PostgresDatabase, Row } from './database.ts'
import { sumIsWrong } from './functions.ts'
import { isAmong, packKeys } from './keys.ts'
import { findByIds, findFirst, findUnknown, packMessages, toBytes } from './messages.ts'
import { putRecord } from './records.ts'
import { count, outline, readPosition, scan } from './scan.ts'

/** Bytes of data that one step of a check reads. */
const checkBytes = 8_000_000

/** Milliseconds between writes of sent marks and recipients. */
const noteIntervalMs = 1_000

const raiseSentMark = `INSERT INTO "SentMark" AS s ("author", "through") SELECT * FROM unnest($1::text[], $2::bigint[])
  ON CONFLICT ("author") DO UPDATE SET "through" = greatest(s."through", excluded."through")`
const setRecipients = 'UPDATE "IdempotencyKey" SET "items" = $2 WHERE "key" = $1'

export interface PostgresLog extends LogStore {
  /** Determines which log this is, also after the database was away. Returns whether it is a different one. */
  settle(): Promise<boolean>
  /** Writes pending notes. */
  close(): Promise<void>
}

/** @param init.origin identifies this process to the other gateways of the database */
export function createPostgresLog(
  init: { origin: string },
  components: { database: PostgresDatabase; served: ServedMarks; files: FilesInPlace; damage: DamageNews; logger: Logger },
): PostgresLog {
  const { origin } = init
  const { database, served, files, damage, logger } = components
  const marks = new Map<string, Seq>()
  const recipientsOf = new Map<string, number[]>()
  let epoch = ''
  const notes = createWriteBehind(
    { delayMs: noteIntervalMs },
    // Notes that can't be written stay pending: sending again is harmless.
    { write: writeNotes, onError: (err) => logger.warn({ err }, 'could not write the sent mark') },
  )

  async function settle(): Promise<boolean> {
    const known = [...served.tips]
    const values = [origin, known.map(([name]) => name), known.map(([, tip]) => tip), drawEpoch()]
    const [row = []] = await database.write('SELECT * FROM pg_temp.peergate_settle($1, $2, $3, $4)', values).catch(readEpoch)
    const [settled, previous, tip, servedTip] = row
    if (previous === null) warnOfNewLog(logger, { tips: served.tips, epoch: String(settled) })
    else if (settled !== previous) warnOfEpoch(logger, { tip: Number(tip), served: Number(servedTip), epoch: String(settled) })
    const isOther = epoch !== '' && epoch !== settled
    epoch = String(settled)
    return isOther
  }

  /** Reads the epoch of a read-only database whose log has everything that was served: nothing has to be written. */
  async function readEpoch(error: unknown): Promise<Row[]> {
    if (!(error instanceof DatabaseReadOnly || error instanceof DatabaseFull)) throw error
    const [[found, tip] = []] = await database.read('SELECT "epoch", "tip" FROM "Log" WHERE "id" = 1')
    if (typeof found !== 'string' || Number(tip) < served.tip(found)) throw error
    return [[found, found, tip, served.tip(found)]]
  }

  async function writeNotes(): Promise<void> {
    const through = new Map(marks)
    const recipients = new Map(recipientsOf)
    if (through.size > 0) await database.read(raiseSentMark, [[...through.keys()], [...through.values()]])
    for (const [author, mark] of through) if (marks.get(author) === mark) marks.delete(author)
    for (const [key, counts] of recipients) {
      const published = await findKey(key, 0)
      if (published !== undefined) await database.read(setRecipients, [key, JSON.stringify(withRecipients(published.items, counts))])
      recipientsOf.delete(key)
    }
  }

  /** The messages are stored, so a mark that can't be written must not refuse them. */
  function noteServed(epoch: string, tip: Seq): void {
    try {
      served.write(epoch, tip)
    } catch (error) {
      logger.warn({ err: error }, 'could not write the served mark')
    }
  }

  /** Rows that can't be taken out stay in the table, and are still not served. */
  async function takeOutBad(bad: Seq[]): Promise<Damaged[]> {
    if (bad.length === 0) return []
    try {
      const taken = await takeOut(database, bad)
      damage.found(taken)
      return taken
    } catch (error) {
      damage.stuck(bad, error)
      return await describeRows(database, bad)
    }
  }

  /** Takes out rows that a read found damaged. @throws DatabaseDamaged when a row is not found by its seq */
  async function takeOutFound(bad: Seq[], look: () => Promise<Seq[]>): Promise<Damaged[]> {
    const taken = await takeOutBad(bad)
    // Another gateway may have taken it out meanwhile.
    if (taken.length < bad.length && (await look()).some((seq) => bad.includes(seq))) throw databaseDamaged(new Error(misplaced))
    return taken
  }

  async function sound(read: () => Promise<ReadRow[]>): Promise<StoredMessage[]> {
    const { messages, bad } = sort(await read())
    await takeOutFound(bad, async () => sort(await read()).bad)
    return messages
  }

  async function read(query: LogQuery): Promise<LogStep> {
    const { bad, noted, ...step } = await scan(database, query)
    // Messages of other gateways are served from here, too.
    const newest = query.order === 'asc' ? step.messages.at(-1) : undefined
    if (newest !== undefined && newest.seq > served.tip(epoch)) noteServed(epoch, newest.seq)
    const found = await takeOutFound(bad, async () => (await scan(database, query)).bad)
    // What another reader has taken out meanwhile is noted now.
    if (found.length < bad.length) return await read(query)
    return withRemoved(step, query, { found, noted })
  }

  /** @param before the damaged row that stopped the previous step */
  async function prune(query: Parameters<LogStore['prune']>[0], before?: Seq): Promise<Pruned | undefined> {
    const { topic, limit, defaults, now, through: upTo } = query
    const keeps = [defaults.maxAgeMs, defaults.maxMessages, defaults.maxBytes]
    const [row] = await database.write(pruneSql, [origin, topic, limit, now, upTo ?? null, ...keeps])
    if (row === undefined) return undefined
    const [through, pruneCount, messages, bytes, last] = row
    const pruned =
      through === null
        ? undefined
        : { through: Number(through), pruneCount: Number(pruneCount), messages: Number(messages), bytes: Number(bytes) }
    if (last === null) return pruned
    const broken = Number(last)
    if (broken === before) throw databaseDamaged(new Error(misplaced))
    damage.found(await takeOut(database, [broken]))
    return pruned ?? (await prune(query, broken))
  }

  async function findKey(key: string, since: number) {
    const sql = `SELECT k."fingerprint", k."items", l."epoch" FROM "IdempotencyKey" AS k, "Log" AS l
      WHERE k."key" = $1 AND k."createdAt" >= $2 AND l."id" = 1`
    const [row] = await database.read(sql, [key, since])
    if (row === undefined) return undefined
    const items: PublishedItem[] = JSON.parse(String(row[1]))
    return { epoch: String(row[2]), fingerprint: toBytes(row[0]), items }
  }

  return {
    settle,
    epoch: async () => epoch,
    position: (filter, prunedSince = 0, pay = unpaid) => readPosition(database, { filter, prunedSince, pay }),
    async tryWrite() {
      files.check()
      await database.write(putRecord, [probeKey, Buffer.from(String(Date.now()))])
    },
    async append(messages, keyed = []) {
      files.check()
      const values = [origin, ...packMessages(messages), ...packKeys(keyed)]
      const rows = await database.write(appendSql, values)
      const [previousTip, , , , takenKeys, appendedTo] = rows.at(-1) ?? []
      const places = new Map(
        rows.map(([, place, seq, receivedAt]) => [Number(place) - 1, { seq: Number(seq), receivedAt: Number(receivedAt) }]),
      )
      const entries = messages.map((message, index): AppendEntry => {
        const place = places.get(index)
        if (place === undefined) return { message: undefined, known: true }
        return { message: { ...message, storedAt: message.storedAt ?? message.receivedAt, ...place }, known: false }
      })
      const taken = keyed.filter(({ key }) => isAmong(key, takenKeys))
      const isRefused = (index: number) => taken.some(({ first, count }) => index >= first && index < first + count)
      const known = messages.filter((_, index) => entries[index]?.known === true && !isRefused(index)).map(({ id }) => id)
      const found = known.length === 0 ? [] : sort(await findByIds(database, known)).messages
      const there = new Map(found.map((message) => [message.id, message]))
      messages.forEach(({ id }, index) => {
        if (entries[index]?.known === true && !isRefused(index)) entries[index] = { message: there.get(id), known: true }
      })
      const last = entries.findLast(({ known }) => !known)?.message
      if (last !== undefined) noteServed(String(appendedTo), last.seq)
      return { epoch: String(appendedTo), previousTip: Number(previousTip), entries, takenKeys: taken.map(({ key }) => key) }
    },
    async published(key, since) {
      const found = await findKey(key, since)
      const recipients = recipientsOf.get(key)
      return found === undefined || recipients === undefined ? found : { ...found, items: withRecipients(found.items, recipients) }
    },
    async countKeys(prefix, limit) {
      const counted = 'SELECT count(*) FROM (SELECT 1 FROM "IdempotencyKey" WHERE "key" >= $1 AND "key" < $2 LIMIT $3) AS k'
      const [[keys] = []] = await database.read(counted, [prefix, afterPrefix(prefix), limit])
      return Number(keys)
    },
    async noteRecipients(key, recipients) {
      recipientsOf.set(key, recipients)
      notes.later()
    },
    read,
    async check({ after, limit, repair }) {
      const { bad, messages, scanned } = await scan(database, { after, order: 'asc', limit, maxBytes: checkBytes })
      const damaged = repair ? await takeOutBad(bad) : await describeRows(database, bad)
      const [[tip] = []] = await database.read('SELECT "tip" FROM "Log" WHERE "id" = 1')
      return { damaged, looked: messages.length + bad.length, scanned, caughtUp: scanned >= Number(tip) }
    },
    async count(query) {
      const { bad, ...step } = await count(database, query)
      await takeOutFound(bad, async () => (await count(database, query)).bad)
      return step
    },
    missing: (query) => findMissing(database, query),
    async outline(query) {
      const { bad, ...step } = await outline(database, query)
      await takeOutFound(bad, async () => (await outline(database, query)).bad)
      return step
    },
    find: (ids, maxBytes) => sound(() => findFirst(database, ids, maxBytes)),
    unknown: (ids) => findUnknown(database, ids),
    async refuse(ids, now) {
      await database.read(
        'INSERT INTO "SeenId" ("id", "seenAt") SELECT id, $2 FROM unnest($1::text[]) AS i(id) ON CONFLICT ("id") DO NOTHING',
        [ids, now],
      )
    },
    async prunable({ defaults, now }) {
      const rows = await database.read(prunableSql, [defaults.maxAgeMs, defaults.maxMessages, defaults.maxBytes, now])
      return rows.map(([name]) => String(name))
    },
    prune: (query) => prune(query),
    async delete(id, now) {
      const [row] = await database.write('SELECT * FROM pg_temp.peergate_delete($1, $2, $3)', [origin, id, now])
      return row === undefined ? undefined : { seq: Number(row[0]), bytes: Number(row[1]) }
    },
    async forget({ now, idsBefore, keysBefore, limit }) {
      await database.write('DELETE FROM "Damage" WHERE "foundAt" < $1', [idsBefore])
      await database.write('UPDATE "Damage" SET "foundAt" = $1 WHERE "foundAt" IS NULL', [now])
      const ids = await database.write(oldest('SeenId', 'id', 'seenAt'), [idsBefore, limit])
      const keys = await database.write(oldest('IdempotencyKey', 'key', 'createdAt'), [keysBefore, limit])
      return ids.length + keys.length
    },
    async forgetTopics({ emptyBefore, maxEmpty, limit }) {
      const [[forgotten] = []] = await database.write('SELECT pg_temp.peergate_forget_topics($1, $2, $3)', [emptyBefore, maxEmpty, limit])
      return Number(forgotten)
    },
    get: async (id) => (await sound(() => findByIds(database, [id])))[0],
    async sentThrough(author) {
      const [row] = await database.read('SELECT "through" FROM "SentMark" WHERE "author" = $1', [author])
      return Math.max(Number(row?.[0] ?? 0), marks.get(author) ?? 0)
    },
    async markSent(author, through) {
      marks.set(author, Math.max(marks.get(author) ?? 0, through))
      notes.later()
    },
    close: notes.flush,
  }
}

const appendSql = `SELECT * FROM pg_temp.peergate_append(
  $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ORDER BY 2 NULLS LAST`
const pruneSql = 'SELECT * FROM pg_temp.peergate_prune($1, $2, $3, $4, $5, $6, $7, $8)'

/** Later sweeps find the others. */
const prunableSql = `SELECT "name" FROM (
    SELECT "name", "messages", "bytes", "firstSeq", coalesce("maxAgeMs", $1) AS age, coalesce("maxMessages", $2) AS count,
      coalesce("maxBytes", $3) AS size
    FROM "Topic" WHERE "messages" > 0) AS t
  WHERE (t.count > 0 AND t."messages" > t.count) OR (t.size > 0 AND t."bytes" > t.size)
    OR (t.age > 0 AND (SELECT m."storedAt" < $4 - t.age OR ${sumIsWrong} FROM "Message" AS m WHERE m."seq" = t."firstSeq"))
  LIMIT 100`

const oldest = (table: string, key: string, time: string) =>
  `DELETE FROM "${table}" WHERE "${key}" IN (SELECT "${key}" FROM "${table}" WHERE "${time}" < $1 ORDER BY "${time}" LIMIT $2) RETURNING 1`
