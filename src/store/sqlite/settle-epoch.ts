import type { Logger } from 'pino'
import { drawEpoch, warnOfEpoch, warnOfNewLog } from '../shared/epoch.ts'
import type { ServedMarks } from '../shared/served-mark.ts'
import { readTip } from './append.ts'
import { openSqliteDatabase, type SqliteDatabase } from './database.ts'

/**
 * Returns the log's epoch. A new log gets a new one, and so does a log that ends before messages that were served from
 * it.
 */
export function settleEpoch(components: { writer: SqliteDatabase; served: ServedMarks; logger: Logger }): string {
  const { writer, served, logger } = components
  const stored = writer.row('SELECT "epoch" FROM "Log" WHERE "id" = 1')?.epoch
  const tip = readTip(writer)
  if (typeof stored === 'string' && tip >= served.tip(stored)) return stored
  const epoch = drawEpoch()
  writer.run('INSERT INTO "Log" ("id", "epoch") VALUES (1, ?) ON CONFLICT ("id") DO UPDATE SET "epoch" = excluded."epoch"', epoch)
  if (typeof stored === 'string') warnOfEpoch(logger, { tip, served: served.tip(stored), epoch })
  else warnOfNewLog(logger, { tips: served.tips, epoch })
  return epoch
}

export function beginSqliteEpoch(path: string): string {
  const database = openSqliteDatabase(path, { queryOnly: false })
  try {
    const epoch = drawEpoch()
    database.run('UPDATE "Log" SET "epoch" = ? WHERE "id" = 1', epoch)
    return epoch
  } finally {
    database.close()
  }
}
