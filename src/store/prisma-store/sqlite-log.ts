import type { Logger } from 'pino'
import type { Seq } from '../../model/cursor.ts'
import type { TopicFilter } from '../../model/topic.ts'
import type { LogPosition, LogStore } from '../store.ts'
import type { ServedMarks } from './served-mark.ts'
import { appendMessages, readTip } from './sqlite-append.ts'
import type { SqliteDatabase } from './sqlite-database.ts'
import { findById } from './sqlite-messages.ts'
import { scan, topicCondition } from './sqlite-scan.ts'

/** Milliseconds between the writes of sent marks when there is no append that takes them along. */
const markIntervalMs = 1_000

const raiseSentMark = `INSERT INTO "SentMark" ("author", "through") VALUES (?, ?)
  ON CONFLICT ("author") DO UPDATE SET "through" = max("through", excluded."through")`

export interface SqliteLogComponents {
  writer: SqliteDatabase
  reader: SqliteDatabase
  served: ServedMarks
  log: Logger
}

/** The road's end: append and scan, by the driver itself. */
export interface SqliteLog extends LogStore {
  /** Writes what waits; the connections stay open. */
  close(): void
}

export function createSqliteLog(init: { epoch: string }, components: SqliteLogComponents): SqliteLog {
  const { epoch } = init
  const { writer, reader, served, log } = components
  /** Sent marks not written yet; the next transaction takes them along. */
  const marks = new Map<string, Seq>()
  let timer: NodeJS.Timeout | undefined

  function writeMarks(): void {
    for (const [author, through] of marks) writer.run(raiseSentMark, author, through)
  }

  /** Marks that can't be written wait for the next time: sending again is harmless. */
  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    if (marks.size === 0) return
    try {
      writer.transaction(writeMarks)
      marks.clear()
    } catch (error) {
      log.warn({ err: error }, 'how far messages were sent could not be written')
    }
  }

  /** The messages are stored, so a mark that can't be written must not refuse them. */
  function noteServed(tip: Seq): void {
    try {
      served.write(epoch, tip)
    } catch (error) {
      log.warn({ err: error }, 'how far the log was served could not be written')
    }
  }

  return {
    epoch: async () => epoch,
    position: async (filter) => position(reader, filter),
    async append(messages) {
      const result = writer.transaction(() => {
        writeMarks()
        return appendMessages(writer, messages)
      })
      marks.clear()
      const last = result.entries.findLast(({ known }) => !known)
      if (last !== undefined) noteServed(last.message.seq)
      return result
    },
    read: async (query) => scan(reader, query),
    get: async (id) => findById(reader, id),
    async sentThrough(author) {
      const stored = reader.row('SELECT "through" FROM "SentMark" WHERE "author" = ?', author)?.through ?? 0
      return Math.max(Number(stored), marks.get(author) ?? 0)
    },
    async markSent(author, through) {
      marks.set(author, Math.max(marks.get(author) ?? 0, through))
      timer ??= setTimeout(flush, markIntervalMs)
    },
    close: flush,
  }
}

function position(reader: SqliteDatabase, filter: TopicFilter | undefined): LogPosition {
  const tip = readTip(reader)
  if (filter === undefined) {
    const pruned = reader.row('SELECT max("prunedThrough") AS pruned FROM "Topic"')
    const first = reader.row('SELECT min("seq") AS first FROM "Message"')?.first
    return { tip, earliest: first === null || first === undefined ? tip : Number(first) - 1, prunedThrough: Number(pruned?.pruned ?? 0) }
  }
  const { sql, values } = topicCondition('"name"', filter)
  const row = reader.row(
    `SELECT min(CASE WHEN "messages" > 0 THEN "firstSeq" END) AS first, max("prunedThrough") AS pruned FROM "Topic" WHERE ${sql}`,
    ...values,
  )
  const first = row?.first
  return { tip, earliest: first === null || first === undefined ? tip : Number(first) - 1, prunedThrough: Number(row?.pruned ?? 0) }
}
