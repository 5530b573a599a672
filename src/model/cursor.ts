import { z } from 'zod'
import { InvalidCursor } from '../errors.ts'

/** A position in the log: a message's number, or 0 before the first. Rises, is not dense, stays below 2^53. */
export type Seq = number

/**
 * A cursor's parts: which log, the position in it after which to read, and, where messages after the position had been pruned before the
 * reader began, the step of pruning up to which this is no news.
 */
export interface Cursor {
  epoch: string
  seq: Seq
  pruneCount?: number
}

const shape = /^([A-Za-z0-9]{1,32})\.(0|[1-9][0-9]{0,15})(?:\.([1-9][0-9]{0,14}))?$/

export function formatCursor(epoch: string, seq: Seq, pruneCount = 0): string {
  return pruneCount === 0 ? `${epoch}.${seq}` : `${epoch}.${seq}.${pruneCount}`
}

/** @throws InvalidCursor when the text is not of the form `<epoch>.<seq>` or `<epoch>.<seq>.<step of pruning>`. */
export function parseCursor(text: string): Cursor {
  const match = shape.exec(text)
  const seq = Number(match?.[2])
  if (match?.[1] === undefined || !Number.isSafeInteger(seq)) {
    throw new InvalidCursor('A cursor is what this API gave as "cursor" or "next", or one of the words "earliest" and "latest".')
  }
  return { epoch: match[1], seq, ...(match[3] === undefined ? {} : { pruneCount: Number(match[3]) }) }
}

export const cursorSchema = z.string().meta({
  id: 'Cursor',
  description: 'An opaque position in the log. Exclusive: reading after it gives what comes next.',
  example: 'k3v9q2.1041',
})

export const positionSchema = z.string().max(64).meta({
  id: 'Position',
  description: 'A cursor, or `earliest` (before the first retained message) or `latest` (after the newest).',
  example: 'earliest',
})
