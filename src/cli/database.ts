import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '../config/config.ts'
import { openIdentity } from '../identity/identity.ts'
import { makeDirectory } from '../lib/startup-error.ts'
import { directTopic } from '../model/topic.ts'
import { type CheckReport, check } from '../store/check.ts'
import { isPostgres, sqlitePath } from '../store/database-url.ts'
import { backUp, beginEpoch, migrate, restore } from '../store/maintenance.ts'
import { Misuse, runCommand } from './command.ts'

/**
 * The command `npm run database`: backs up a SQLite database while its gateway runs, restores a backup, migrates a
 * database, verifies its checksums, and starts a new epoch, which makes all earlier cursors invalid.
 */

const usage = `npm run database -- backup <file>     copies the SQLite database, while the gateway runs
npm run database -- restore <file>    replaces the SQLite database by a copy and starts a new epoch; the gateway must be stopped
npm run database -- migrate           migrates the schema, for gateways that run with PEERGATE_MIGRATE=false
npm run database -- check [--repair]  verifies the checksums of all messages, while the gateway runs; --repair removes damaged messages.
                                      Exit code: 0 no damage left, 2 messages are damaged, 3 the file is damaged
npm run database -- new-epoch         starts a new epoch, after PostgreSQL was restored by its own tools; the gateways must be stopped`

/** @throws Misuse */
function fileOf(url: string): string {
  if (!isPostgres(url)) return sqlitePath(url)
  throw new Misuse('Back up and restore PostgreSQL with its own tools (pg_dump, pg_restore). After a restore, start a new epoch.')
}

async function run([command, file, ...rest]: string[]): Promise<string> {
  const config = loadConfig(process.env)
  const { url } = config.store
  const takesFile = command === 'backup' || command === 'restore'
  const isRepair = command === 'check' && file === '--repair'
  if (rest.length > 0 || (takesFile || isRepair) !== (file !== undefined)) throw new Misuse()
  switch (command) {
    case 'backup':
      await backUp(fileOf(url), file ?? '')
      return `backed up to ${file}`
    case 'restore': {
      await whileStopped(config.keyFile, config.dataDir)
      await restore(file ?? '', fileOf(url))
      return `restored; the log has the new epoch ${await beginEpoch(url)}`
    }
    case 'migrate':
      makeDirectory(config.dataDir, 'PEERGATE_DATA_DIR')
      await migrate(url, join(config.dataDir, 'served'))
      return 'the database is up to date'
    case 'check': {
      makeDirectory(config.dataDir, 'PEERGATE_DATA_DIR')
      const report = await check({ url, servedMarkFile: join(config.dataDir, 'served') }, { repair: isRepair })
      process.exitCode = exitCodeOf(report, isRepair)
      return told(report, isRepair)
    }
    case 'new-epoch':
      await whileStopped(config.keyFile, config.dataDir)
      return `the log has the new epoch ${await beginEpoch(url)}`
    default:
      throw new Misuse()
  }
}

function exitCodeOf({ brokenPages, damaged, damagedDeliveries }: CheckReport, isRepair: boolean): number {
  if (brokenPages.length > 0) return 3
  return isRepair || damaged.length + damagedDeliveries.length === 0 ? 0 : 2
}

function told({ messages, deliveries, damaged, damagedDeliveries, brokenPages }: CheckReport, isRepair: boolean): string {
  if (brokenPages.length > 0) {
    return `the database file is damaged; its messages were not checked: stop the gateway and restore a backup\n${brokenPages.join('\n')}`
  }
  const lines = [
    `read ${messages} messages and ${deliveries} queued direct messages`,
    ...damaged.map(({ seq, id, topic }) => `damaged: seq ${seq}, ${placeName(topic)}, ${id}`),
    ...damagedDeliveries.map((id) => `damaged: delivery ${id}`),
  ]
  if (damaged.length + damagedDeliveries.length === 0) lines.push('no damage found')
  else if (isRepair) lines.push('removed; a running gateway fetches messages of topics from its peers, direct messages are lost')
  else lines.push('nothing was changed; readers do not get damaged messages. --repair removes them, so that peers can supply them')
  return lines.join('\n')
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

await runCommand({
  usage,
  async run(args) {
    process.stdout.write(`${await run(args)}\n`)
  },
})
