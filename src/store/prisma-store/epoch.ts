import { randomInt } from 'node:crypto'
import type { Logger } from 'pino'
import type { ServedMarks } from './served-mark.ts'
import { readTip } from './sqlite-append.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

const letters = 'abcdefghijkmnpqrstuvwxyz23456789'

/**
 * The log's epoch. A new log gets one, and so does a log that ends before what was served from it: it was restored, or lost its tail, and
 * its numbers will be given to other messages.
 */
export function settleEpoch(components: { writer: SqliteDatabase; served: ServedMarks; log: Logger }): string {
  const { writer, served, log } = components
  const stored = writer.row('SELECT "epoch" FROM "Log" WHERE "id" = 1')?.epoch
  const tip = readTip(writer)
  if (typeof stored === 'string' && tip >= served.tip(stored)) return stored
  const epoch = drawEpoch()
  writer.run('INSERT INTO "Log" ("id", "epoch") VALUES (1, ?) ON CONFLICT ("id") DO UPDATE SET "epoch" = excluded."epoch"', epoch)
  if (typeof stored === 'string') {
    const behind = { tip, served: served.tip(stored), epoch }
    log.warn(behind, 'the log ends before what was served from it, and begins a new epoch: cursors of before are refused')
  }
  return epoch
}

/** Eight letters and digits: 40 bits, so that no two logs that a client meets are likely to share one. */
function drawEpoch(): string {
  return Array.from({ length: 8 }, () => letters[randomInt(letters.length)]).join('')
}
