import { existsSync } from 'node:fs'
import { pino } from 'pino'
import { StartupError } from '../lib/startup-error.ts'
import { createStore } from './create-store.ts'
import { isPostgres, sqlitePath } from './database-url.ts'
import type { Damaged } from './log-store.ts'
import { findBrokenPages } from './sqlite/broken-pages.ts'
import type { Store } from './store.ts'

/** Result of a check of a whole database. */
export interface CheckReport {
  messages: number
  deliveries: number
  damaged: Damaged[]
  /** Ids of queued direct messages. */
  damagedDeliveries: string[]
  /** Problems that SQLite reports for the pages and indexes of its file; empty when there are none. */
  brokenPages: string[]
}

/** Messages or deliveries read per step. */
const checkedAtOnce = 500

/**
 * Reads everything that has a checksum; gateways may be running. With `repair`, damaged rows are taken out. When a
 * SQLite file has broken pages, only these are reported.
 * @throws StartupError when there is no database, or it has another version
 */
export async function check(init: { url: string; servedMarkFile: string }, { repair }: { repair: boolean }): Promise<CheckReport> {
  const { url } = init
  const report: CheckReport = { messages: 0, deliveries: 0, damaged: [], damagedDeliveries: [], brokenPages: [] }
  if (!isPostgres(url)) {
    if (!existsSync(sqlitePath(url))) throw new StartupError(`There is no database at ${sqlitePath(url)}.`)
    report.brokenPages = findBrokenPages(sqlitePath(url), { repair })
    if (report.brokenPages.length > 0) return report
  }
  await using store = await createStore({ ...init, migrate: false }, { logger: pino({ level: 'silent' }) })
  await store.start()
  await checkLog(store, report, repair)
  await checkDeliveries(store, report, repair)
  return report
}

async function checkLog({ log }: Store, report: CheckReport, repair: boolean): Promise<void> {
  for (let after = 0; ; ) {
    const step = await log.check({ after, limit: checkedAtOnce, repair })
    report.messages += step.looked
    report.damaged.push(...step.damaged)
    if (step.caughtUp) return
    after = step.scanned
  }
}

async function checkDeliveries({ deliveries }: Store, report: CheckReport, repair: boolean): Promise<void> {
  for (let after: string | null = ''; after !== null; ) {
    const { damaged, looked, next }: Awaited<ReturnType<Store['deliveries']['check']>> = await deliveries.check({
      after,
      limit: checkedAtOnce,
    })
    report.deliveries += looked
    report.damagedDeliveries.push(...damaged)
    after = next
    const end = { state: 'refused' as const, lastError: 'The message was damaged on the disk of its gateway.', now: Date.now() }
    if (repair) for (const id of damaged) await deliveries.end(id, end)
  }
}
