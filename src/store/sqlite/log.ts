import type { Logger } from 'pino'
import { createWriteBehind } from '../../lib/write-behind.ts'
import type { Seq } from '../../model/cursor.ts'
import type { StoredMessage } from '../../model/message.ts'
import { type Damaged, type LogStore, type Pruned, unpaid } from '../log-store.ts'
import { type DamageNews, misplaced, type ReadRow, sort, withRemoved } from '../shared/damage.ts'
import type { FilesInPlace } from '../shared/files-in-place.ts'
import { probeKey } from '../shared/probe-key.ts'
import { withRecipients } from '../shared/published.ts'
import type { ServedMarks } from '../shared/served-mark.ts'
import { databaseDamaged } from '../shared/unavailable.ts'
import { appendMessages, readTip } from './append.ts'
import { describeRows, findMissing, removedIn, takeOut } from './damage.ts'
import type { SqliteDatabase } from './database.ts'
import { deleteMessage } from './delete-message.ts'
import type { DiskRoom } from './disk-room.ts'
import { forgetTopics } from './forgotten-topics.ts'
import { countKeys, findKey, findTaken, insertKeys, updateRecipients } from './keys.ts'
import { findById, findByIds, findUnknown } from './messages.ts'
import { readPosition } from './position.ts'
import { findPrunableTopics, forgetOld, pruneTopic, refuseIds } from './prune.ts'
import { putRecord } from './records.ts'
import { count, outline, scan } from './scan.ts'
import type { WalSync } from './wal-sync.ts'

/** Bytes of data that one step of a check reads. */
const checkBytes = 8_000_000

/** Milliseconds between writes of sent marks when no append carries them along. */
const markIntervalMs = 1_000

const raiseSentMark = `INSERT INTO "SentMark" ("author", "through") VALUES (?, ?)
  ON CONFLICT ("author") DO UPDATE SET "through" = max("through", excluded."through")`

const growing = { grows: true }

export interface SqliteLogComponents {
  writer: SqliteDatabase
  reader: SqliteDatabase
  served: ServedMarks
  files: FilesInPlace
  room: DiskRoom
  sync: Pick<WalSync, 'reached'>
  damage: DamageNews
  logger: Logger
}

/** The road's end: append and scan, through the driver directly. */
export interface SqliteLog extends LogStore {
  /** Writes pending notes; the connections stay open. */
  close(): Promise<void>
}

export function createSqliteLog(init: { epoch: string }, components: SqliteLogComponents): SqliteLog {
  const { epoch } = init
  const { writer, reader, served, files, room, sync, damage, logger } = components
  /** Pending sent marks, and recipients by idempotency key; the next transaction writes them. */
  const marks = new Map<string, Seq>()
  const recipientsOf = new Map<string, number[]>()
  const notes = createWriteBehind(
    { delayMs: markIntervalMs },
    // Notes that can't be written stay pending: sending again is harmless.
    { write: flushNotes, onError: (err) => logger.warn({ err }, 'could not write the sent mark') },
  )

  function writeNotes(): void {
    for (const [author, through] of marks) writer.run(raiseSentMark, author, through)
    for (const [key, recipients] of recipientsOf) updateRecipients(writer, key, recipients)
  }

  /** A transaction that also writes the pending notes. */
  function transaction<Result>(work: () => Result, options?: { grows: boolean }): Result {
    files.check()
    const noteAndWork = () => {
      writeNotes()
      return work()
    }
    const result = room.write(() => writer.transaction(noteAndWork), options)
    marks.clear()
    recipientsOf.clear()
    return result
  }

  async function flushNotes(): Promise<void> {
    if (marks.size + recipientsOf.size > 0) transaction(() => undefined)
  }

  /** The messages are stored, so a mark that can't be written must not refuse them. */
  function noteServed(tip: Seq): void {
    try {
      served.write(epoch, tip)
    } catch (error) {
      logger.warn({ err: error }, 'could not write the served mark')
    }
  }

  /** Rows that can't be taken out stay in the table, and are still not served. */
  function takeOutBad(bad: Seq[]): Damaged[] {
    if (bad.length === 0) return []
    try {
      const taken = transaction(() => takeOut(writer, bad))
      damage.found(taken)
      return taken
    } catch (error) {
      damage.stuck(bad, error)
      return describeRows(reader, bad)
    }
  }

  /** Takes out damaged rows that a read found. @throws DatabaseDamaged when a row is not found by its own seq */
  function takeOutFound(bad: Seq[], look: () => Seq[]): Damaged[] {
    const taken = takeOutBad(bad)
    // Another process may have taken it out meanwhile.
    if (taken.length < bad.length && look().some((seq) => bad.includes(seq))) throw databaseDamaged(new Error(misplaced))
    return taken
  }

  function sound(read: () => ReadRow[]): StoredMessage[] {
    const { messages, bad } = sort(read())
    takeOutFound(bad, () => sort(read()).bad)
    return messages
  }

  function prune(query: Parameters<LogStore['prune']>[0]): Pruned | undefined {
    const { pruned, taken } = transaction(() => {
      const { pruned, bad } = pruneTopic(writer, query)
      return { pruned, taken: bad === undefined ? [] : takeOut(writer, [bad]) }
    })
    if (taken.length === 0) return pruned
    damage.found(taken)
    return pruned ?? prune(query)
  }

  return {
    epoch: async () => epoch,
    async tryWrite() {
      room.hold()
      room.check()
      transaction(() => writer.run(putRecord, probeKey, Buffer.from(String(Date.now()))))
    },
    position: async (filter, prunedSince = 0, pay = unpaid) => ({ epoch, ...(await readPosition(reader, { filter, prunedSince, pay })) }),
    async append(messages, keyed = []) {
      const result = transaction(() => {
        const taken = findTaken(writer, keyed)
        const isRefused = (index: number) => taken.some(({ first, count }) => index >= first && index < first + count)
        const appended = appendMessages(writer, messages, isRefused)
        insertKeys(
          writer,
          keyed.filter((each) => !taken.includes(each)),
          appended.entries,
        )
        return { epoch, ...appended, takenKeys: taken.map(({ key }) => key) }
      }, growing)
      // A mark ahead of the log would look like a log that was restored from a backup.
      await sync.reached()
      const last = result.entries.findLast(({ known }) => !known)?.message
      if (last !== undefined) noteServed(last.seq)
      return result
    },
    async published(key, since) {
      const found = findKey(reader, key, since)
      const recipients = recipientsOf.get(key)
      if (found === undefined) return undefined
      return { epoch, ...found, items: recipients === undefined ? found.items : withRecipients(found.items, recipients) }
    },
    countKeys: async (prefix, limit) => countKeys(reader, prefix, limit),
    async noteRecipients(key, recipients) {
      recipientsOf.set(key, recipients)
      notes.later()
    },
    async read(query) {
      const { bad, ...step } = scan(reader, query)
      const found = takeOutFound(bad, () => scan(reader, query).bad)
      return withRemoved(step, query, { found, noted: removedIn(reader, query) })
    },
    async check({ after, limit, repair }) {
      const { bad, messages, scanned } = scan(reader, { after, order: 'asc', limit, maxBytes: checkBytes })
      const damaged = repair ? takeOutBad(bad) : describeRows(reader, bad)
      return { damaged, looked: messages.length + bad.length, scanned, caughtUp: scanned >= readTip(reader) }
    },
    async count(query) {
      const { bad, ...step } = count(reader, query)
      takeOutFound(bad, () => count(reader, query).bad)
      return step
    },
    missing: async (query) => findMissing(reader, query),
    async outline(query) {
      const { bad, ...step } = outline(reader, query)
      takeOutFound(bad, () => outline(reader, query).bad)
      return step
    },
    find: async (ids, maxBytes) => sound(() => findByIds(reader, ids, maxBytes)),
    unknown: async (ids) => findUnknown(reader, ids),
    refuse: async (ids, now) => transaction(() => refuseIds(writer, ids, now)),
    prunable: async (query) => findPrunableTopics(reader, query),
    prune: async (query) => prune(query),
    delete: async (id, now) => transaction(() => deleteMessage(writer, id, now)),
    forget: async (query) => transaction(() => forgetOld(writer, query)),
    forgetTopics: async (query) => transaction(() => forgetTopics(writer, query)),
    get: async (id) => sound(() => [findById(reader, id)].filter((row) => row !== undefined))[0],
    async sentThrough(author) {
      const stored = reader.row('SELECT "through" FROM "SentMark" WHERE "author" = ?', author)?.through ?? 0
      return Math.max(Number(stored), marks.get(author) ?? 0)
    },
    async markSent(author, through) {
      marks.set(author, Math.max(marks.get(author) ?? 0, through))
      notes.later()
    },
    close: notes.flush,
  }
}
