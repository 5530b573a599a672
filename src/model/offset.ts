import { type Cursor, formatCursor } from './cursor.ts'

/**
 * Positions as the Durable Streams protocol writes them: the parts of a cursor, padded, so that offsets of one log sort
 * as their positions do, and without the characters that the protocol forbids in them.
 */
const digits = 15
const shape = new RegExp(`^([A-Za-z0-9]{1,32})_(\\d{${digits}})(?:_(\\d{${digits}}))?$`)

/** An offset, or the protocol's words for the start and the end of a stream. */
export const offsetPattern = new RegExp(`^(?:-1|now|${shape.source.slice(1, -1)})$`)

export function formatOffset({ epoch, seq, pruneCount = 0 }: Cursor): string {
  const numbers = pruneCount === 0 ? [seq] : [seq, pruneCount]
  return [epoch, ...numbers.map((number) => String(number).padStart(digits, '0'))].join('_')
}

/** The cursor of an offset that matches `offsetPattern`, and is not one of the words. */
export function cursorOfOffset(offset: string): string {
  const [epoch = '', seq, pruneCount] = offset.split('_')
  return formatCursor(epoch, Number(seq), pruneCount === undefined ? undefined : Number(pruneCount))
}
