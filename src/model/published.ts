import { formatCursor, type Seq } from './cursor.ts'

/** A message that was published, as its client is told. */
export interface Published {
  id: string
  topic: string
  cursor: string
  /** Number of peers that it was handed to. */
  recipients: number
}

/** @param epoch epoch of the log that stores the items, read together with them */
export function withCursors(epoch: string, items: Array<Omit<Published, 'cursor'> & { seq: Seq }>): Published[] {
  return items.map(({ id, topic, seq, recipients }) => ({ id, topic, cursor: formatCursor(epoch, seq), recipients }))
}
