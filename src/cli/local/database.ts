import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../../config/config.ts'
import { openIdentity } from '../../identity/identity.ts'
import { makeDirectory } from '../../lib/startup-error.ts'
import { directTopic } from '../../model/topic.ts'
import { type CheckReport, check } from '../../store/check.ts'
import { isPostgres, sqlitePath } from '../../store/database-url.ts'
import * as maintenance from '../../store/maintenance.ts'
import { Misuse } from '../failures.ts'

/** What an operator does with the configured database. Each answers what to tell. */

export async function backUp(file: string): Promise<string> {
  await maintenance.backUp(fileOf(loadConfig(process.env).store.url), file)
  return `backed up to ${file}`
}

/** @throws IdentityInUse when the gateway runs */
export async function restore(file: string): Promise<string> {
  const { store, keyFile, dataDir } = loadConfig(process.env)
  await whileStopped(keyFile, dataDir)
  await maintenance.restore(file, fileOf(store.url))
  return `restored; the log has the new epoch ${await maintenance.beginEpoch(store.url)}`
}

export async function migrate(): Promise<string> {
  const { store, dataDir } = loadConfig(process.env)
  makeDirectory(dataDir, 'PEERGATE_DATA_DIR')
  await maintenance.migrate(store.url, join(dataDir, 'served'))
  return 'the database is up to date'
}

/** @throws IdentityInUse when the gateway runs */
export async function newEpoch(): Promise<string> {
  const { store, keyFile, dataDir } = loadConfig(process.env)
  await whileStopped(keyFile, dataDir)
  return `the log has the new epoch ${await maintenance.beginEpoch(store.url)}`
}

export async function checkDatabase(repair: boolean): Promise<{ report: CheckReport; told: string[]; exitCode: number }> {
  const { store, dataDir } = loadConfig(process.env)
  makeDirectory(dataDir, 'PEERGATE_DATA_DIR')
  const report = await check({ url: store.url, servedMarkFile: join(dataDir, 'served') }, { repair })
  return { report, told: told(report, repair), exitCode: exitCodeOf(report, repair) }
}

/** @throws Misuse */
function fileOf(url: string): string {
  if (!isPostgres(url)) return sqlitePath(url)
  throw new Misuse('Back up and restore PostgreSQL with its own tools (pg_dump, pg_restore). After a restore, start a new epoch.')
}

function exitCodeOf({ brokenPages, damaged, damagedDeliveries }: CheckReport, isRepair: boolean): number {
  if (brokenPages.length > 0) return 3
  return isRepair || damaged.length + damagedDeliveries.length === 0 ? 0 : 2
}

function told({ messages, deliveries, damaged, damagedDeliveries, brokenPages }: CheckReport, isRepair: boolean): string[] {
  if (brokenPages.length > 0) {
    return ['the database file is damaged; its messages were not checked: stop the gateway and restore a backup', ...brokenPages]
  }
  const lines = [
    `read ${messages} messages and ${deliveries} queued direct messages`,
    ...damaged.map(({ seq, id, topic }) => `damaged: seq ${seq}, ${placeName(topic)}, ${id}`),
    ...damagedDeliveries.map((id) => `damaged: delivery ${id}`),
  ]
  if (damaged.length + damagedDeliveries.length === 0) lines.push('no damage found')
  else if (isRepair) lines.push('removed; a running gateway fetches messages of topics from its peers, direct messages are lost')
  else lines.push('nothing was changed; readers do not get damaged messages. --repair removes them, so that peers can supply them')
  return lines
}

function placeName(topic: string | undefined): string {
  if (topic === undefined) return 'of an unknown topic'
  return topic === directTopic ? 'a direct message' : `of ${topic}`
}

/** @throws IdentityInUse when the gateway runs */
async function whileStopped(keyFile: string, dataDir: string): Promise<void> {
  makeDirectory(dataDir, 'PEERGATE_DATA_DIR')
  if (existsSync(keyFile)) (await openIdentity(keyFile, dataDir)).close()
}
