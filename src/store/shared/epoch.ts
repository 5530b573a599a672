import { randomInt } from 'node:crypto'
import type { Logger } from 'pino'
import type { Seq } from '../../model/cursor.ts'

const letters = 'abcdefghijkmnpqrstuvwxyz23456789'

/**
 * A log that ends before messages that were served from it was restored, or has lost its tail: their seqs will be
 * reused.
 * @param found.tip the log's last seq; found.served the newest seq served from it
 */
export function warnOfEpoch(logger: Logger, found: { tip: Seq; served: Seq; epoch: string }): void {
  const { tip, served, epoch } = found
  logger.warn(
    { tip, served, epoch, lost: { from: tip + 1, through: served } },
    'the log ends before messages that were served from it; starting a new epoch: these messages are lost, and older cursors are refused',
  )
}

/**
 * A database without a log, although the data directory has served one: it is a different database, or has lost
 * everything.
 */
export function warnOfNewLog(logger: Logger, found: { tips: ReadonlyMap<string, Seq>; epoch: string }): void {
  const last = [...found.tips].at(-1)
  if (last === undefined) return
  const [previous, served] = last
  logger.warn(
    { previous, served, epoch: found.epoch, lost: { from: 1, through: served } },
    'the database has no log although one was served; starting a new epoch: these messages are lost, and older cursors are refused',
  )
}

/** Eight letters and digits: 40 bits, so that a client is unlikely ever to meet two logs with the same epoch. */
export function drawEpoch(): string {
  return Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('')
}
