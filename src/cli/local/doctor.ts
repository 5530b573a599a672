import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { type Config, ConfigError, loadConfig } from '../../config/config.ts'
import { diskFinding, judgeClock, judgeConfiguration, judgeDescriptors, judgeProxy } from '../../gateway/diagnosis/machine.ts'
import { neededPorts, portFindings } from '../../gateway/diagnosis/ports.ts'
import { descriptorLimit } from '../../http/descriptors.ts'
import { IdentityInUse } from '../../identity/errors.ts'
import { openIdentity } from '../../identity/identity.ts'
import { StartupError } from '../../lib/startup-error.ts'
import type { Finding } from '../../model/finding.ts'
import { createStore } from '../../store/create-store.ts'
import { isPostgres, sqlitePath } from '../../store/database-url.ts'

/**
 * Looks at this machine with the configuration of the environment.
 * @param other what a gateway says the time is
 */
export async function examine(other?: number): Promise<Finding[]> {
  let config: Config
  try {
    config = loadConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n').map((detail) => ({
      check: 'configuration',
      state: 'problem',
      detail,
      fix: 'Correct the variable; docs/operations.md lists all.',
    }))
  }
  const { keyFile, dataDir, engine, http, limits, warnings } = config
  const isRunning = existsSync(keyFile) && (await isHeld(keyFile, dataDir))
  const newest = existsSync(keyFile) ? statSync(dataDir).mtimeMs : undefined
  return [
    judgeConfiguration(warnings),
    ...(await portFindings(neededPorts(config), { isRunning })),
    judgeClock({ now: Date.now(), newest, other: other === undefined ? undefined : { whose: 'the gateway', at: other } }),
    await diskFinding(dataDir),
    judgeDescriptors({ limits, descriptors: await descriptorLimit(), listeners: engine.listen.length }),
    await databaseFinding(config),
    judgeProxy(http),
  ]
}

async function isHeld(keyFile: string, dataDir: string): Promise<boolean> {
  try {
    ;(await openIdentity(keyFile, dataDir)).close()
    return false
  } catch (error) {
    // Another problem of the key is no running gateway.
    return error instanceof IdentityInUse
  }
}

/** Opens the database and reads its position; migrations are applied by the next start only. */
async function databaseFinding({ store: settings, dataDir }: Config): Promise<Finding> {
  const { url, migrate } = settings
  if (!isPostgres(url) && !existsSync(sqlitePath(url))) {
    return { check: 'database', state: 'ok', detail: `There is no database yet: the first start makes ${sqlitePath(url)}.` }
  }
  try {
    await using store = await createStore(
      { url, migrate: false, servedMarkFile: join(dataDir, 'served') },
      { logger: pino({ level: 'silent' }) },
    )
    await store.start()
    const { tip } = await store.log.position()
    return { check: 'database', state: 'ok', detail: `The database answers; its newest message is number ${tip}.` }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    if (error.name === 'MigrationPending' && migrate) {
      return { check: 'database', state: 'ok', detail: 'The database answers; the next start brings it up to date.' }
    }
    const fix = error instanceof StartupError ? 'The sentence says what to do.' : 'See the log of the database.'
    return { check: 'database', state: 'problem', detail: error.message, fix }
  }
}
