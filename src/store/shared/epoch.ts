import { randomInt } from 'node:crypto'
import type { Logger } from 'pino'
import type { Seq } from '../../model/cursor.ts'

const letters = 'abcdefghijkmnpqrstuvwxyz23456789'

/**
 * A log that ends before what was served from it was restored, or has lost its tail: its numbers will be given to other messages.
 * @param found.tip the number that the log ends with; found.served the newest that was served of it
 */
export function warnOfEpoch(logger: Logger, found: { tip: Seq; served: Seq; epoch: string }): void {
  const { tip, served, epoch } = found
  logger.warn(
    { tip, served, epoch, lost: { from: tip + 1, through: served } },
    'the log ends before what was served from it, and begins a new epoch: messages of these numbers are gone, and cursors of before are refused',
  )
}

/** A database without a log, where the data directory has served from one: it is another one, or has lost everything. */
export function warnOfNewLog(logger: Logger, found: { tips: ReadonlyMap<string, Seq>; epoch: string }): void {
  const last = [...found.tips].at(-1)
  if (last === undefined) return
  const [previous, served] = last
  logger.warn(
    { previous, served, epoch: found.epoch, lost: { from: 1, through: served } },
    'the database has no log although one was served, and begins a new epoch: messages of these numbers are gone, and cursors of before are refused',
  )
}

/** Eight letters and digits: 40 bits, so that no two logs that a client meets are likely to share one. */
export function drawEpoch(): string {
  return Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('')
}
