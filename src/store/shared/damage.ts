import type { Logger } from 'pino'
import { DatabaseDamaged } from '../../errors.ts'
import { BoundedMap } from '../../lib/bounded-map.ts'
import { createWatchers } from '../../lib/watchers.ts'
import type { Seq } from '../../model/cursor.ts'
import type { StoredMessage } from '../../model/message.ts'
import { type Damaged, type LogQuery, type LogStep, type Removed, scanRows } from '../log-store.ts'
import { checksumOf, sumOf } from './checksum.ts'

/** A row of the log as read; `message` is undefined when the row is not what was stored. */
export interface ReadRow {
  seq: Seq
  /** Bytes of its data. */
  bytes: number
  message: StoredMessage | undefined
}

/** Problem of a row that its table or an index lists under a seq that is not its own. */
export const misplaced = 'a row of the log has another number than the one by which it was found'

/** @param read builds the message from the row; a row that it rejects is damaged, too */
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

/** Splits rows into messages and the seqs of damaged rows. */
export function sort(rows: Iterable<ReadRow>): { messages: StoredMessage[]; bad: Seq[] } {
  const messages: StoredMessage[] = []
  const bad: Seq[] = []
  for (const { seq, message } of rows) {
    if (message === undefined) bad.push(seq)
    else messages.push(message)
  }
  return { messages, bad }
}

/** Reports damage to the process log and to watchers. */
export interface DamageNews {
  /** Tells the listener of damaged messages. Returns a function that stops it. */
  watch(listener: (damaged: Damaged[]) => void): () => void
  found(damaged: Damaged[]): void
  /** Receives database errors; broken pages are logged once. */
  failed(error: unknown): void
  readonly isBroken: boolean
  /** Reports damaged rows that could not be taken out of the log. */
  stuck(seqs: Seq[], err: unknown): void
}

/** Every read meets the rows that could not be taken out. Maximum number remembered as logged. */
const maxStuck = 10_000

export function createDamageNews(components: { logger: Logger }): DamageNews {
  const { logger } = components
  const watchers = createWatchers<[damaged: Damaged[]]>()
  const told = new BoundedMap<Seq, true>({ max: maxStuck })
  let isBroken = false

  function failed(error: unknown): void {
    if (!(error instanceof DatabaseDamaged) || isBroken) return
    isBroken = true
    logger.fatal({ err: error }, 'pages of the database are damaged: check it and restore a backup (docs/operations.md)')
  }

  return {
    watch: watchers.watch,
    found(damaged) {
      for (const { seq, id, topic } of damaged) logger.error({ seq, id, topic }, 'a stored message is damaged and was taken out of the log')
      watchers.tell(damaged)
    },
    failed,
    get isBroken() {
      return isBroken
    },
    stuck(seqs, err) {
      failed(err)
      const news = seqs.filter((seq) => !told.has(seq))
      if (news.length === 0) return
      for (const seq of news) told.set(seq, true)
      logger.error({ err, seqs: news }, 'damaged messages could not be taken out of the log; they are not served')
    },
  }
}

/**
 * Adds the removed messages in a step's range: damage found by the step itself, and those noted before, of which at most
 * `scanRows` were read.
 */
export function withRemoved(step: LogStep, query: LogQuery, { found, noted }: { found: Damaged[]; noted: Removed[] }): LogStep {
  const isForward = query.order === 'asc'
  const last = noted.length < scanRows ? undefined : noted.at(-1)?.seq
  const { scanned, messages } = last === undefined ? step : cut(step, isForward, last)
  const [low, high] = isForward ? [query.after, scanned] : [scanned, query.through ?? Number.MAX_SAFE_INTEGER]
  const damaged = found.map((each): Removed => ({ ...each, reason: 'damaged' }))
  const bySeq = new Map([...noted, ...damaged].filter(({ seq }) => seq > low && seq <= high).map((each) => [each.seq, each]))
  if (bySeq.size === 0) return { ...step, scanned, messages }
  const removed = [...bySeq.values()].toSorted((one, other) => (isForward ? one.seq - other.seq : other.seq - one.seq))
  return { ...step, scanned, messages, removed }
}

/** The step, cut to the range whose removed messages are known. */
function cut({ scanned, messages }: LogStep, isForward: boolean, last: Seq): Pick<LogStep, 'scanned' | 'messages'> {
  if (isForward) return { scanned: Math.min(scanned, last), messages: messages.filter(({ seq }) => seq <= last) }
  return { scanned: Math.max(scanned, last - 1), messages: messages.filter(({ seq }) => seq >= last) }
}
