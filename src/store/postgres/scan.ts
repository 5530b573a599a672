import type { Seq } from '../../model/cursor.ts'
import { directTopic, type TopicFilter, topicsOf } from '../../model/topic.ts'
import { createTopicMatcher } from '../../model/topic-matcher.ts'
import {
  type CountQuery,
  type CountStep,
  type LogOutline,
  type LogPosition,
  type LogQuery,
  type LogStep,
  type OutlineQuery,
  type PayComparisons,
  type Removed,
  scanRows,
} from '../log-store.ts'
import { sort } from '../shared/damage.ts'
import { rowsFor } from '../shared/pattern-rows.ts'
import { areMany, findTopicEnds, isAtOnce, type TopicRow } from '../shared/topic-ends.ts'
import { toRemoved } from './damage.ts'
import type { PostgresDatabase, Row } from './database.ts'
import { sumIsWrong } from './functions.ts'
import { messageColumns, toRow } from './messages.ts'
import { nameCondition, topicCondition, Values } from './topic-condition.ts'

/**
 * `bad` are the seqs of matching rows that are damaged, or whose seq or times are. `noted` are the
 * messages in the step's range that were noted as removed before.
 */
export interface ScanStep extends LogStep {
  bad: Seq[]
  noted: Removed[]
}

/** `bad` are the seqs of rows whose seq or times are damaged; the rest of a row is not checked. */
export interface OutlineStep extends LogOutline {
  bad: Seq[]
}

/**
 * SQL for the seq up to which messages of forgotten topics that the filter matches may have been pruned after a step of
 * pruning; the statement has the log's row as `l`. 0 when there are none, or when every topic that the filter names is
 * remembered.
 */
function forgottenThrough(filter: TopicFilter | undefined, since: string, values: Values): string {
  const through = `CASE WHEN l."forgottenAt" > ${since}::bigint THEN l."forgottenThrough" ELSE 0 END`
  if (filter === undefined || filter.patterns.length > 0) return through
  const names = [...new Set(topicsOf(filter))]
  const remembered = `(SELECT count(*) FROM "Topic" AS k WHERE k."name" = ANY(${values.add(names)}::text[])
    AND (k."emptySince" IS NULL OR k."emptySince" > 0))`
  return `CASE WHEN ${remembered} = ${values.add(names.length)}::bigint THEN 0 ELSE ${through} END`
}

/** Comparisons that a pattern costs which one statement compares with the names of topics, of which there may be thousands. */
const comparisonsOfPattern = 2_000

/** Rows of the log in the order of an index. `between`: after one seq and up to another. */
interface Series {
  between(after: string, through: string): string
  order(direction: 'ASC' | 'DESC'): string
}

const numbered: Series = {
  between: (after, through) => `m."seq" > ${after} AND m."seq" <= ${through}`,
  order: (direction) => `m."seq" ${direction}`,
}

/**
 * The rows of one topic. Row values are compared, so that only the index on topics provides the order: if the topic
 * were compared alone, a plan might read the log by seq and skip the rows of other topics.
 */
function ofTopic(topic: string): Series {
  return {
    between: (after, through) => `(m."topic", m."seq") > (${topic}, ${after}) AND (m."topic", m."seq") <= (${topic}, ${through})`,
    order: (direction) => `m."topic" ${direction}, m."seq" ${direction}`,
  }
}

const eachTopic = ofTopic('t.topic')

/**
 * One step of a scan, in one statement and so from one snapshot of the log: the window of scanned rows, the matching
 * rows in it, and pruned topics. The first row holds the tip and the number of steps of pruning.
 */
export async function scan(database: PostgresDatabase, query: LogQuery): Promise<ScanStep> {
  const values = new Values()
  const direction = query.order === 'asc' ? 'ASC' : 'DESC'
  const after = values.add(query.after)
  const through = values.add(query.through ?? Number.MAX_SAFE_INTEGER)
  const [only] = query.topics?.patterns.length === 0 && query.topics.exact.length === 1 ? query.topics.exact : []
  const series = only === undefined ? numbered : ofTopic(values.add(only))
  const conditions = conditionsOf(query, only === undefined, values)
  const limit = values.add(query.limit)
  const rows = values.add(rowsFor(query.topics))
  const maxBytes = values.add(query.maxBytes ?? Number.MAX_SAFE_INTEGER)
  const pruned = query.prunedSince === undefined ? '' : prunedAfter(query.topics, { after, since: values.add(query.prunedSince) }, values)
  const concerned = query.topics === undefined ? 'true' : `(d."topic" IS NULL OR ${topicCondition('d."topic"', query.topics, values)})`
  const removed = `UNION ALL (SELECT 'removed', d."seq", d."id", d."topic", NULL, NULL, NULL, NULL, d."deleted", ${nulls(7)} FROM "Damage" AS d
      WHERE d."seq" > ${after}::bigint AND d."seq" <= ${through}::bigint AND ${concerned} ORDER BY d."seq" ${direction} LIMIT ${scanRows})`
  const sql = `WITH l AS MATERIALIZED (SELECT "tip", "pruneCount", "forgottenThrough", "forgottenAt" FROM "Log" WHERE "id" = 1),
    looked AS MATERIALIZED (
      SELECT m."seq", m."topic", m."recipient", m."author", m."receivedAt", m."storedAt", octet_length(m."data")::bigint AS size, ${sumIsWrong} AS wrong
      FROM "Message" AS m
      WHERE ${series.between(`${after}::bigint`, `least(${through}::bigint, (SELECT "tip" FROM l))`)}
      ORDER BY ${series.order(direction)} LIMIT ${conditions === 'true' ? `least(${limit}::bigint, ${rows}::bigint)` : `${rows}::bigint`}),
    found AS MATERIALIZED (
      SELECT f."seq" FROM (
        SELECT w."seq", sum(w.size) OVER (ORDER BY w."seq" ${direction}) - w.size AS before FROM looked AS w WHERE ${conditions}
        ORDER BY w."seq" ${direction} LIMIT ${limit}) AS f
      WHERE f.before < ${maxBytes}::bigint)
    SELECT 'ends', (SELECT "tip" FROM l), NULL::text, NULL::text, NULL::text, NULL::text, NULL::bytea, NULL::bytea, NULL::boolean,
      NULL::bytea, NULL::bytea, NULL::bigint, NULL::bigint, (SELECT "pruneCount" FROM l), NULL::bigint, NULL::integer
    UNION ALL SELECT 'looked', count(*), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
      ${query.order === 'asc' ? 'max' : 'min'}(w."seq"), NULL, NULL FROM looked AS w
    UNION ALL SELECT 'wrong', w."seq", ${nulls(14)} FROM looked AS w WHERE w.wrong AND ${conditions}
    UNION ALL SELECT 'message', ${messageColumns} FROM found AS f JOIN "Message" AS m USING ("seq") ${pruned} ${removed}`
  return collect(query, await database.read(sql, values.list))
}

/**
 * One step of `count`, in one statement. `bad` are the seqs of matching rows whose seq or times are damaged.
 */
export async function count(database: PostgresDatabase, query: CountQuery): Promise<CountStep & { bad: Seq[] }> {
  const values = new Values()
  const after = values.add(query.after)
  const through = values.add(query.through)
  const [only] = query.topics?.patterns.length === 0 && query.topics.exact.length === 1 ? query.topics.exact : []
  const series = only === undefined ? numbered : ofTopic(values.add(only))
  const conditions = conditionsOf(query, only === undefined, values)
  const rows = values.add(rowsFor(query.topics))
  const sql = `WITH looked AS MATERIALIZED (
      SELECT m."seq", m."topic", m."recipient", m."author", m."receivedAt", m."storedAt", ${sumIsWrong} AS wrong FROM "Message" AS m
      WHERE ${series.between(`${after}::bigint`, `least(${through}::bigint, (SELECT "tip" FROM "Log" WHERE "id" = 1))`)}
      ORDER BY ${series.order('ASC')} LIMIT ${rows}::bigint)
    SELECT count(*), max(w."seq"), count(*) FILTER (WHERE NOT w.wrong AND ${conditions}),
      coalesce(array_agg(w."seq"::text) FILTER (WHERE w.wrong AND ${conditions}), '{}') FROM looked AS w`
  const [[looked, last, messages, wrong] = []] = await database.read(sql, values.list)
  const bad = Array.isArray(wrong) ? wrong.map(Number) : []
  return { messages: Number(messages), bad, scanned: Number(looked) < rowsFor(query.topics) ? query.through : Number(last) }
}

/** Pruned topics, of which `collect` finds those that many patterns match, and, without a name, what was pruned of forgotten topics. */
function prunedAfter(topics: TopicFilter | undefined, { after, since }: { after: string; since: string }, values: Values): string {
  return `UNION ALL SELECT 'pruned', t."prunedThrough", NULL, NULL, t."name", ${nulls(11)} FROM "Topic" AS t
      WHERE t."prunedAt" > ${since} AND t."prunedThrough" > ${after}
        ${topics === undefined || areMany(topics) ? '' : `AND ${topicCondition('t."name"', topics, values)}`}
    UNION ALL SELECT 'pruned', f.through, ${nulls(14)} FROM (SELECT ${forgottenThrough(topics, since, values)} AS through FROM l) AS f
      WHERE f.through > ${after}`
}

function conditionsOf(query: Omit<CountQuery, 'through'>, withTopics: boolean, values: Values): string {
  const all = ['true']
  if (withTopics && query.topics !== undefined) all.push(topicCondition('w."topic"', query.topics, values))
  if (query.kind !== undefined) all.push(`w."topic" ${query.kind === 'direct' ? '=' : '<>'} ${values.add(directTopic)}`)
  if (query.to !== undefined) all.push(`w."recipient" = ${values.add(query.to)}`)
  if (query.from !== undefined) all.push(`w."author" = ${values.add(query.from)}`)
  const times = []
  if (query.since !== undefined) times.push(`w."receivedAt" >= ${values.add(query.since)}`)
  if (query.until !== undefined) times.push(`w."receivedAt" < ${values.add(query.until)}`)
  if (query.storedSince !== undefined) times.push(`w."storedAt" >= ${values.add(query.storedSince)}`)
  // A damaged time hides no message.
  if (times.length > 0) all.push(`(w.wrong OR ${times.join(' AND ')})`)
  return all.join(' AND ')
}

function nulls(count: number): string {
  return Array.from({ length: count }, () => 'NULL').join(', ')
}

function collect(query: LogQuery, rows: Row[]): ScanStep {
  const of = (tag: string) => rows.filter(([each]) => each === tag)
  const [, tip, ...ends] = of('ends')[0] ?? []
  const [, looked, ...window] = of('looked')[0] ?? []
  const found = of('message')
    .map(([, ...row]) => toRow(row))
    .toSorted((one, other) => (query.order === 'asc' ? one.seq - other.seq : other.seq - one.seq))
  const high = Math.max(query.after, Math.min(query.through ?? Number.MAX_SAFE_INTEGER, Number(tip)))
  const lastLooked = Number(looked) === rowsFor(query.topics) ? Number(window.at(-3)) : undefined
  const bytes = found.reduce((sum, row) => sum + row.bytes, 0)
  const last = found.length >= query.limit || bytes >= (query.maxBytes ?? Number.POSITIVE_INFINITY) ? found.at(-1)?.seq : undefined
  const end = last ?? lastLooked
  const scanned = query.order === 'asc' ? (end ?? high) : end === undefined ? query.after : end - 1
  const { messages, bad } = sort(found)
  // A row that an index lists under a wrong seq is not among the rows found by theirs.
  const wrong = of('wrong').map(([, seq]) => Number(seq))
  const step = {
    messages,
    bad: [...new Set([...bad, ...wrong])],
    scanned,
    noted: of('removed').map(([, seq, id, topic, , , , , deleted]) => toRemoved([seq, id, topic, deleted])),
  }
  if (query.prunedSince === undefined) return step
  const matcher = query.topics !== undefined && areMany(query.topics) ? createTopicMatcher(query.topics) : undefined
  const topics = of('pruned')
    .map(([, through, , , topic]) => ({ topic: topic === null ? undefined : String(topic), through: Number(through) }))
    .filter(({ topic }) => topic === undefined || matcher?.matches(topic) !== false)
  // The last two columns are a message's sum and checksum; the one before them is a 64-bit number.
  return { ...step, prunes: { count: Number(ends.at(-3)), topics } }
}

/**
 * One step of `outline`, up to the position where the step has scanned about `scanRows` rows of the topics: after
 * `scanRows` rows of any topic, or where the first topic has used its part of them, whichever is later. Rows are found
 * by the index on topics.
 */
export async function outline(database: PostgresDatabase, query: OutlineQuery): Promise<OutlineStep> {
  const { after, since } = query
  const topics = [...new Set(query.topics)]
  const rowsOfTopic = Math.max(1, Math.floor(scanRows / Math.max(1, topics.length)))
  const sql = `WITH l AS MATERIALIZED (SELECT "tip" FROM "Log" WHERE "id" = 1),
    t AS MATERIALIZED (SELECT topic FROM unnest($2::text[]) AS t(topic)),
    ends AS MATERIALIZED (
      SELECT (SELECT m."seq" FROM "Message" AS m WHERE m."seq" > $1::bigint AND m."seq" <= (SELECT "tip" FROM l)
          ORDER BY m."seq" LIMIT 1 OFFSET ${scanRows - 1}) AS by_seq,
        (SELECT min(n.seq) FROM t CROSS JOIN LATERAL (SELECT m."seq" AS seq FROM "Message" AS m
          WHERE ${eachTopic.between('$1::bigint', '(SELECT "tip" FROM l)')}
          ORDER BY ${eachTopic.order('ASC')} LIMIT 1 OFFSET $4::bigint) AS n) AS by_topic),
    e AS MATERIALIZED (
      SELECT CASE WHEN by_seq IS NULL OR by_topic IS NULL THEN (SELECT "tip" FROM l) ELSE greatest(by_seq, by_topic) END AS high FROM ends),
    looked AS MATERIALIZED (
      SELECT n.* FROM t CROSS JOIN LATERAL (
        SELECT m."seq", m."id", m."topic", octet_length(m."data")::bigint AS size, m."storedAt",
          coalesce(m."firstSeenAt", m."storedAt") AS seen, ${sumIsWrong} AS wrong FROM "Message" AS m
        WHERE ${eachTopic.between('$1::bigint', '(SELECT high FROM e)')} ORDER BY ${eachTopic.order('ASC')} LIMIT ${scanRows}) AS n)
    SELECT NULL::text, NULL::text, (SELECT "tip" FROM l), (SELECT count(*) FROM looked), false, (SELECT high FROM e)
    UNION ALL SELECT w."id", w."topic", w.size, w.seen, w.wrong, w."seq" FROM looked AS w WHERE w.wrong OR w."storedAt" >= $3::bigint`
  const rows = await database.read(sql, [after, topics, since, rowsOfTopic - 1])
  const [, , tip, looked, , high] = rows.find(([id]) => id === null) ?? []
  const entries = rows
    .filter(([id, , , , wrong]) => id !== null && wrong === false)
    .toSorted((one, other) => Number(one.at(-1)) - Number(other.at(-1)))
    .map(([id, topic, bytes, firstSeenAt]) => ({
      id: String(id),
      topic: String(topic),
      bytes: Number(bytes),
      firstSeenAt: Number(firstSeenAt),
    }))
  return {
    entries,
    bad: rows.filter(([, , , , wrong]) => wrong === true).map((row) => Number(row.at(-1))),
    looked: Number(looked ?? 0),
    scanned: Math.max(after, Number(high ?? 0)),
    caughtUp: Number(high ?? 0) >= Number(tip ?? 0),
  }
}

const rowColumns = 't."name", t."messages", t."firstSeq", t."prunedThrough", t."prunedAt"'

/** Many patterns are compared with the names of topics here, in steps after the statement that reads the ends of the log. */
export async function readPosition(
  database: PostgresDatabase,
  query: { filter: TopicFilter | undefined; prunedSince: number; pay: PayComparisons },
): Promise<LogPosition> {
  const { filter, prunedSince, pay } = query
  const isStepwise = filter !== undefined && areMany(filter)
  const values = new Values()
  const since = values.add(prunedSince)
  if (filter !== undefined && !isStepwise && !isAtOnce(filter)) pay(filter.patterns.length * comparisonsOfPattern)
  const condition = filter === undefined ? 'true' : isStepwise ? 'false' : nameCondition('t."name"', filter, values)
  const concerned = filter === undefined ? 'true' : `(d."topic" IS NULL OR ${topicCondition('d."topic"', filter, values)})`
  const forgotten = forgottenThrough(filter, since, values)
  const sql = `SELECT l."tip", l."pruneCount", least(t.first, (SELECT d."seq" FROM "Damage" AS d WHERE ${concerned} ORDER BY d."seq" LIMIT 1)),
      greatest(t.pruned, ${forgotten}), l."epoch", t.messages FROM "Log" AS l CROSS JOIN (
      SELECT min(CASE WHEN t."messages" > 0 THEN t."firstSeq" END) AS first,
        max(CASE WHEN t."prunedAt" > ${since}::bigint THEN t."prunedThrough" END) AS pruned, sum(t."messages") AS messages
      FROM "Topic" AS t WHERE ${condition}) AS t
    WHERE l."id" = 1`
  const [[tip, pruneCount, first, pruned, epoch, messages] = []] = await database.read(sql, values.list)
  const found = isStepwise
    ? await findTopicEnds({ filter, prunedSince }, { read: (after, limit) => readTopics(database, after, limit), pay })
    : { first: undefined, pruned: 0, messages: Number(messages ?? 0) }
  const oldest = Math.min(found.first ?? Number.POSITIVE_INFINITY, Number(first ?? Number.POSITIVE_INFINITY), Number(tip ?? 0) + 1)
  return {
    epoch: String(epoch),
    tip: Number(tip ?? 0),
    earliest: oldest - 1,
    prunedThrough: Math.max(found.pruned, Number(pruned ?? 0)),
    pruneCount: Number(pruneCount ?? 0),
    messages: found.messages,
  }
}

async function readTopics(database: PostgresDatabase, after: string | undefined, limit: number): Promise<TopicRow[]> {
  const condition = after === undefined ? 't."name" >= $1' : 't."name" > $1'
  const sql = `SELECT ${rowColumns} FROM "Topic" AS t WHERE ${condition} ORDER BY t."name" LIMIT $2`
  const rows = await database.read(sql, [after ?? '', limit])
  return rows.map(([name, ...numbers]) => {
    const [messages = 0, firstSeq = 0, prunedThrough = 0, prunedAt = 0] = numbers.map(Number)
    return { name: String(name), messages, firstSeq, prunedThrough, prunedAt }
  })
}
