import { randomInt } from 'node:crypto'
import type { Logger } from 'pino'
import type { Seq } from '../../model/cursor.ts'

const letters = 'abcdefghijkmnpqrstuvwxyz23456789'

/** A log that ends before what was served from it was restored, or has lost its tail: its numbers will be given to other messages. */
export function warnOfEpoch(log: Logger, { tip, served, epoch }: { tip: Seq; served: Seq; epoch: string }): void {
  log.warn({ tip, served, epoch }, 'the log ends before what was served from it, and begins a new epoch: cursors of before are refused')
}

/** Eight letters and digits: 40 bits, so that no two logs that a client meets are likely to share one. */
export function drawEpoch(): string {
  return Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('')
}
