import type { Seq } from '../../model/cursor.ts'
import type { NewMessage, StoredMessage } from '../../model/message.ts'
import type { AppendEntry } from '../log-append.ts'
import { checksumOf, sumOf } from '../shared/checksum.ts'
import type { SqliteDatabase } from './database.ts'
import { rememberTopic } from './forgotten-topics.ts'
import { findById, sumIsWrong } from './messages.ts'

const insertMessage = `INSERT INTO "Message"
  ("id", "topic", "author", "sequence", "data", "dataAbsent", "signature", "publicKey", "receivedAt", "recipient", "firstSeenAt", "storedAt", "checksum", "seq", "sum")
  SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15 WHERE NOT EXISTS (SELECT 1 FROM "SeenId" WHERE "id" = ?1)
  ON CONFLICT ("id") DO NOTHING`

/**
 * From now on the topic knows what is pruned of it. Before that, only the log's common mark of forgotten topics is
 * known.
 */
const countTopic = `INSERT INTO "Topic" ("name", "messages", "bytes", "firstSeq", "lastSeq", "emptySince", "prunedThrough", "prunedAt")
  SELECT ?, ?, ?, ?, ?, NULL, "forgottenThrough", "forgottenAt" FROM "Log" WHERE true
  ON CONFLICT ("name") DO UPDATE SET
    "firstSeq" = CASE WHEN "messages" = 0 THEN excluded."firstSeq" ELSE "firstSeq" END,
    "messages" = "messages" + excluded."messages", "bytes" = "bytes" + excluded."bytes", "lastSeq" = excluded."lastSeq"`

const newestSeq = 'SELECT max("seq") AS "seq" FROM "Message"'
/** A time that was damaged on disk is ignored. */
const newestTime = `SELECT "receivedAt" FROM "Message" WHERE "seq" <= ? AND NOT ${sumIsWrong} ORDER BY "seq" DESC LIMIT 1`

/** What a batch adds to a topic's counters. */
interface TopicGrowth {
  messages: number
  bytes: number
  first: Seq
  last: Seq
}

/** The seq of the newest message ever appended, as AUTOINCREMENT remembers it. */
export function readTip(database: SqliteDatabase): Seq {
  return Number(database.row(`SELECT "seq" FROM "sqlite_sequence" WHERE "name" = 'Message'`)?.seq ?? 0)
}

/** Adds messages, except refused ones, to the log and to the counters of their topics. Call it in a transaction. */
export function appendMessages(
  writer: SqliteDatabase,
  messages: NewMessage[],
  isRefused: (index: number) => boolean,
): { previousTip: Seq; entries: AppendEntry[] } {
  const previousTip = readTip(writer)
  const growth = new Map<string, TopicGrowth>()
  // Seqs are assigned here, since the sum covers them.
  let last = Math.max(previousTip, Number(writer.row(newestSeq)?.seq ?? 0))
  let latest = Number(writer.row(newestTime, last)?.receivedAt ?? 0)
  const entries = messages.map((message, index) => {
    if (isRefused(index)) return refused
    // Time in the log never goes back, whatever the clock did.
    const times = { receivedAt: Math.max(latest, message.receivedAt), storedAt: message.storedAt ?? message.receivedAt }
    const entry = appendMessage(writer, { ...message, ...times, seq: last + 1 }, growth)
    if (!entry.known) {
      last = entry.message.seq
      latest = entry.message.receivedAt
    }
    return entry
  })
  if (entries.some(({ known }) => known)) {
    // SQLite advances the sequence for a row that already existed, but the tip is the newest message's seq.
    const tip = entries.findLast(({ known }) => !known)?.message?.seq ?? previousTip
    writer.run(`UPDATE "sqlite_sequence" SET "seq" = ? WHERE "name" = 'Message'`, tip)
  }
  for (const [topic, { messages: count, bytes, first, last }] of growth) {
    rememberTopic(writer, topic)
    writer.run(countTopic, topic, count, bytes, first, last)
  }
  return { previousTip, entries }
}

const refused: AppendEntry = { message: undefined, known: true }

function appendMessage(writer: SqliteDatabase, message: StoredMessage, growth: Map<string, TopicGrowth>): AppendEntry {
  const { seq, id, topic, to, from, sequence, data, dataAbsent, signature, publicKey, receivedAt, firstSeenAt, storedAt } = message
  const { changes } = writer.run(
    insertMessage,
    id,
    topic,
    from,
    sequence,
    data,
    dataAbsent === true ? 1 : 0,
    signature,
    publicKey ?? null,
    receivedAt,
    to ?? null,
    firstSeenAt ?? null,
    storedAt,
    checksumOf(message),
    seq,
    sumOf(message),
  )
  if (changes === 0) {
    return { message: findById(writer, id)?.message, known: true }
  }
  const grown = growth.get(topic)
  if (grown === undefined) growth.set(topic, { messages: 1, bytes: data.length, first: seq, last: seq })
  else Object.assign(grown, { messages: grown.messages + 1, bytes: grown.bytes + data.length, last: seq })
  return { message, known: false }
}
