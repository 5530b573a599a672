import type { Logger } from 'pino'
import { DatabaseDamaged } from '../../errors.ts'
import type { Seq } from '../../model/cursor.ts'
import type { StoredMessage } from '../../model/message.ts'
import { type Damaged, type LogQuery, type LogStep, scanRows } from '../log-store.ts'
import { checksumOf, sumOf } from './checksum.ts'

/** A row of the log as it was read: a message, or nothing where it is not what was stored. */
export interface ReadRow {
  seq: Seq
  /** Of its data. */
  bytes: number
  message: StoredMessage | undefined
}

/** Of a row that its table, or an index of that, has under another number than its own. */
export const misplaced = 'a row of the log has another number than the one by which it was found'

/** @param read makes the message of the row; what can't be made one is damaged, too */
export function readRow(row: { seq: unknown; sum: unknown; checksum: unknown; data: unknown }, read: () => StoredMessage): ReadRow {
  const [seq, bytes] = [Number(row.seq), row.data instanceof Uint8Array ? row.data.length : 0]
  try {
    const message = read()
    const isSound = sumOf(message) === Number(row.sum) && checksumOf(message) === Number(row.checksum)
    return { seq, bytes, message: isSound ? message : undefined }
  } catch {
    return { seq, bytes, message: undefined }
  }
}

/** The messages, and the numbers of the rows that are none. */
export function sort(rows: Iterable<ReadRow>): { messages: StoredMessage[]; bad: Seq[] } {
  const messages: StoredMessage[] = []
  const bad: Seq[] = []
  for (const { seq, message } of rows) {
    if (message === undefined) bad.push(seq)
    else messages.push(message)
  }
  return { messages, bad }
}

/** What is told of damage: to the log of the process, and to who watches. */
export interface DamageNews {
  /** Has the listener told of what is found; answers a function that ends it. */
  watch(listener: (damaged: Damaged[]) => void): () => void
  found(damaged: Damaged[]): void
  /** Hears what the database was in want of: pages that are broken are told once. */
  failed(error: unknown): void
  readonly isBroken: boolean
  /** Rows that are damaged and could not be taken out of the log. */
  stuck(seqs: Seq[], err: unknown): void
}

/** Every read finds the rows that could not be taken out. At most this number is remembered as logged. */
const maxStuck = 10_000

export function createDamageNews(components: { logger: Logger }): DamageNews {
  const { logger } = components
  const listeners = new Set<(damaged: Damaged[]) => void>()
  const told = new Set<Seq>()
  let isBroken = false

  function failed(error: unknown): void {
    if (!(error instanceof DatabaseDamaged) || isBroken) return
    isBroken = true
    logger.fatal({ err: error }, 'pages of the database are damaged: check it, and restore a backup (docs/operations.md)')
  }

  return {
    watch(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    found(damaged) {
      for (const { seq, id, topic } of damaged) logger.error({ seq, id, topic }, 'a stored message is damaged; it was taken out of the log')
      for (const listener of listeners) listener(damaged)
    },
    failed,
    get isBroken() {
      return isBroken
    },
    stuck(seqs, err) {
      failed(err)
      const news = seqs.filter((seq) => !told.has(seq))
      if (news.length === 0) return
      if (told.size > maxStuck) told.clear()
      for (const seq of news) told.add(seq)
      logger.error({ err, seqs: news }, 'stored messages are damaged, and could not be taken out of the log; they are not served')
    },
  }
}

/** A step with the damage that lies in it: what it has found itself, and what is noted, of which `scanRows` were read at most. */
export function withDamage(step: LogStep, query: LogQuery, { found, noted }: { found: Damaged[]; noted: Damaged[] }): LogStep {
  const isForward = query.order === 'asc'
  const last = noted.length < scanRows ? undefined : noted.at(-1)?.seq
  const { scanned, messages } = last === undefined ? step : cut(step, isForward, last)
  const [low, high] = isForward ? [query.after, scanned] : [scanned, query.through ?? Number.MAX_SAFE_INTEGER]
  const bySeq = new Map([...noted, ...found].filter(({ seq }) => seq > low && seq <= high).map((damaged) => [damaged.seq, damaged]))
  if (bySeq.size === 0) return { ...step, scanned, messages }
  const damaged = [...bySeq.values()].toSorted((one, other) => (isForward ? one.seq - other.seq : other.seq - one.seq))
  return { ...step, scanned, messages, damaged }
}

/** The step as far as the damage in it is known. */
function cut({ scanned, messages }: LogStep, isForward: boolean, last: Seq): Pick<LogStep, 'scanned' | 'messages'> {
  if (isForward) return { scanned: Math.min(scanned, last), messages: messages.filter(({ seq }) => seq <= last) }
  return { scanned: Math.max(scanned, last - 1), messages: messages.filter(({ seq }) => seq >= last) }
}
