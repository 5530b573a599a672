import { z } from 'zod'
import { InvalidCursor } from '../errors.ts'

/** A position in the log: the number of a message, or 0 before the first. Increasing, with gaps, below 10^15. */
export type Seq = number

/**
 * The parts of a cursor: the epoch of the log, the position after which to read, and, if messages after the position
 * had been pruned before the reader began, the pruning step up to which the reader need not be told.
 */
export interface Cursor {
  epoch: string
  seq: Seq
  pruneCount?: number
}

const shape = /^([A-Za-z0-9]{1,32})\.(0|[1-9][0-9]{0,14})(?:\.([1-9][0-9]{0,14}))?$/

export function formatCursor(epoch: string, seq: Seq, pruneCount = 0): string {
  return pruneCount === 0 ? `${epoch}.${seq}` : `${epoch}.${seq}.${pruneCount}`
}

/** @throws InvalidCursor when the text is not `<epoch>.<seq>` or `<epoch>.<seq>.<pruning step>` */
export function parseCursor(text: string): Cursor {
  const match = shape.exec(text)
  if (match?.[1] === undefined) {
    throw new InvalidCursor('A cursor must be a "cursor", "newer" or "older" value returned by this API, or "earliest" or "latest".')
  }
  return { epoch: match[1], seq: Number(match[2]), ...(match[3] === undefined ? {} : { pruneCount: Number(match[3]) }) }
}

export const cursorSchema = z.string().meta({
  id: 'Cursor',
  description: 'An opaque position in the log. Exclusive: reading after it returns the messages that follow.',
  minLength: 1,
  maxLength: 64,
  example: 'k3v9q2.1041',
})

export const positionSchema = z
  .string()
  .max(64)
  .meta({
    id: 'Position',
    description: 'A cursor, or `earliest` (before the first retained message) or `latest` (after the newest).',
    minLength: 1,
    pattern: `^(earliest|latest|${shape.source.slice(1, -1)})$`,
    example: 'earliest',
  })
