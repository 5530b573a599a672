import type { Seq } from '../../model/cursor.ts'
import { directTopic } from '../../model/topic.ts'
import { type CountQuery, type CountStep, type LogOutline, type LogQuery, type LogStep, type OutlineQuery, scanRows } from '../log-store.ts'
import { type ReadRow, sort } from '../shared/damage.ts'
import { rowsFor } from '../shared/pattern-rows.ts'
import { readTip } from './append.ts'
import type { Row, SqliteDatabase } from './database.ts'
import { messageColumns, sumIsWrong, toRow } from './messages.ts'
import { prunesOf } from './prune.ts'
import { type Condition, topicCondition } from './topic-condition.ts'

/** `bad` are the seqs of matching rows that are damaged. */
export interface ScanStep extends LogStep {
  bad: Seq[]
}

/**
 * One step of a scan. Nothing else runs meanwhile: `scanRows` rows take 0.3 ms by seq and 3 ms by topic for small
 * messages, 9 ms for messages of 200 kB (two cores, all in the page cache). Rows of a single topic are counted by their
 * index, all others by seq. In both cases the step ends after `scanRows` rows, whatever the other conditions.
 */
export function scan(reader: SqliteDatabase, query: LogQuery): ScanStep {
  const step = scanMessages(reader, query)
  const { topics, after, prunedSince } = query
  if (prunedSince === undefined) return step
  return { ...step, prunes: prunesOf(reader, { ...(topics === undefined ? {} : { topics }), after, prunedSince }) }
}

function scanMessages(reader: SqliteDatabase, query: LogQuery): ScanStep {
  const { low, high, series, filter } = rangeOf(reader, query)
  // When every row matches, `limit` bounds the number of rows scanned.
  const rowsOfStep = rowsFor(query.topics)
  const unbounded = filter.sql !== '' || query.limit > rowsOfStep
  const window = { low, high, ...(unbounded ? boundary(reader, query.order, { low, high, rows: rowsOfStep }, series) : {}) }
  const direction = query.order === 'asc' ? 'ASC' : 'DESC'
  const rows = reader.rows(
    `SELECT ${messageColumns} FROM "Message" WHERE "seq" > ? AND "seq" <= ?${series.sql}${filter.sql} ORDER BY "seq" ${direction} LIMIT ?`,
    window.low,
    window.high,
    ...series.values,
    ...filter.values,
    query.limit,
  )
  const { found, full } = collect(rows, query)
  const last = full ? found.at(-1)?.seq : undefined
  if (query.order === 'asc') return { ...sort(found), scanned: last ?? window.high }
  return { ...sort(found), scanned: last === undefined ? window.low : last - 1 }
}

/** The rows that a step may scan, and the conditions of a match. */
function rangeOf(reader: SqliteDatabase, query: Omit<CountQuery, 'through'> & { through?: Seq }) {
  const tip = readTip(reader)
  const low = query.after
  const high = Math.max(low, Math.min(query.through ?? tip, tip))
  const [only] = query.topics?.patterns.length === 0 && query.topics.exact.length === 1 ? query.topics.exact : []
  const series: Condition = only === undefined ? { sql: '', values: [] } : { sql: ' AND "topic" = ?', values: [only] }
  return { low, high, series, filter: conditions(query, only === undefined) }
}

/** One step of `count`. `bad` are the seqs of matching rows whose seq or times are damaged. */
export function count(reader: SqliteDatabase, query: CountQuery): CountStep & { bad: Seq[] } {
  const { low, high: end, series, filter } = rangeOf(reader, query)
  const { high = end } = boundary(reader, 'asc', { low, high: end, rows: rowsFor(query.topics) }, series)
  const rows = reader.rows(
    `SELECT "seq", ${sumIsWrong} AS "wrong" FROM "Message" WHERE "seq" > ? AND "seq" <= ?${series.sql}${filter.sql} ORDER BY "seq"`,
    low,
    high,
    ...series.values,
    ...filter.values,
  )
  let messages = 0
  const bad: Seq[] = []
  for (const { seq, wrong } of rows) {
    if (wrong === 0) messages++
    else bad.push(Number(seq))
  }
  // Nothing is stored beyond the tip.
  return { messages, bad, scanned: high === end ? Math.max(end, query.through) : high }
}

/** `bad` are the seqs of rows whose seq or times are damaged; the rest of a row is not checked. */
export interface OutlineStep extends LogOutline {
  bad: Seq[]
}

/**
 * One step of `outline`: SQLite knows the length of a value without reading it. Rows are found by the index on topics,
 * so that a topic with few messages in a long log costs only these.
 */
export function outline(reader: SqliteDatabase, query: OutlineQuery): OutlineStep {
  const { after, since } = query
  const tip = readTip(reader)
  const topics = JSON.stringify([...new Set(query.topics)])
  const high = outlineEnd(reader, { after, tip, topics, count: query.topics.length })
  const rows = reader.rows(
    `SELECT m."seq", m."id", m."topic", length(m."data") AS "size", CAST(m."storedAt" AS REAL) AS "storedAt",
        CAST(coalesce(m."firstSeenAt", m."storedAt") AS REAL) AS "seenAt", ${sumIsWrong} AS "wrong"
      FROM json_each(?) AS t CROSS JOIN "Message" AS m INDEXED BY "Message_topic_seq_idx"
      WHERE m."topic" = t.value AND m."seq" > ? AND m."seq" <= ? ORDER BY m."seq"`,
    topics,
    after,
    high,
  )
  const entries: LogOutline['entries'] = []
  const bad: Seq[] = []
  let looked = 0
  for (const { seq, id, topic, size, storedAt, seenAt, wrong } of rows) {
    looked++
    if (wrong === 1) bad.push(Number(seq))
    else if (Number(storedAt) >= since)
      entries.push({ id: String(id), topic: String(topic), bytes: Number(size), firstSeenAt: Number(seenAt) })
  }
  return { entries, bad, looked, scanned: Math.max(after, high), caughtUp: high >= tip }
}

/**
 * The position up to which the step scans about `scanRows` rows of the topics: after `scanRows` rows of any topic, or
 * where the first topic has used its part of them, whichever is later. The former is far when these topics make up most
 * of the log, the latter when they are a small part.
 */
function outlineEnd(reader: SqliteDatabase, step: { after: number; tip: number; topics: string; count: number }): number {
  const { after, tip, topics, count } = step
  const { high: bySeq } = boundary(reader, 'asc', { low: after, high: tip, rows: scanRows }, { sql: '', values: [] })
  if (bySeq === undefined) return tip
  const byTopic = reader.row(
    `SELECT min((SELECT m."seq" FROM "Message" AS m INDEXED BY "Message_topic_seq_idx"
        WHERE m."topic" = t.value AND m."seq" > ? AND m."seq" <= ? ORDER BY m."seq" LIMIT 1 OFFSET ?)) AS "seq" FROM json_each(?) AS t`,
    after,
    tip,
    Math.max(1, Math.floor(scanRows / Math.max(1, count))) - 1,
    topics,
  )?.seq
  return byTopic === null || byTopic === undefined ? tip : Math.max(bySeq, Number(byTopic))
}

/** Where a step ends: at the last row that it may scan. */
function boundary(
  reader: SqliteDatabase,
  order: 'asc' | 'desc',
  { low, high, rows }: { low: number; high: number; rows: number },
  series: Condition,
): { low?: number; high?: number } {
  const row = reader.row(
    `SELECT "seq" FROM "Message" WHERE "seq" > ? AND "seq" <= ?${series.sql} ORDER BY "seq" ${order === 'asc' ? 'ASC' : 'DESC'} LIMIT 1 OFFSET ?`,
    low,
    high,
    ...series.values,
    rows - 1,
  )
  if (row === undefined) return {}
  return order === 'asc' ? { high: Number(row.seq) } : { low: Number(row.seq) - 1 }
}

function conditions(query: Omit<CountQuery, 'through'>, withTopics: boolean): Condition {
  const all: Condition[] = []
  // The plus keeps SQLite from using the index, which would make it sort the rows: the window is read by seq.
  if (withTopics && query.topics !== undefined) all.push(topicCondition('+"topic"', query.topics))
  if (query.kind !== undefined) all.push({ sql: `+"topic" ${query.kind === 'direct' ? '=' : '<>'} ?`, values: [directTopic] })
  if (query.to !== undefined) all.push({ sql: '"recipient" = ?', values: [query.to] })
  if (query.from !== undefined) all.push({ sql: '"author" = ?', values: [query.from] })
  const times: Condition[] = []
  if (query.since !== undefined) times.push({ sql: '"receivedAt" >= ?', values: [query.since] })
  if (query.until !== undefined) times.push({ sql: '"receivedAt" < ?', values: [query.until] })
  if (query.storedSince !== undefined) times.push({ sql: '"storedAt" >= ?', values: [query.storedSince] })
  // A damaged time hides no message.
  if (times.length > 0) {
    all.push({ sql: `(${sumIsWrong} OR ${times.map(({ sql }) => sql).join(' AND ')})`, values: times.flatMap(({ values }) => values) })
  }
  return { sql: all.map(({ sql }) => ` AND ${sql}`).join(''), values: all.flatMap(({ values }) => values) }
}

function collect(rows: Iterable<Row>, query: LogQuery): { found: ReadRow[]; full: boolean } {
  const found: ReadRow[] = []
  let bytes = 0
  for (const row of rows) {
    const read = toRow(row)
    found.push(read)
    bytes += read.bytes
    if (found.length >= query.limit || bytes >= (query.maxBytes ?? Number.POSITIVE_INFINITY)) return { found, full: true }
  }
  return { found, full: false }
}
