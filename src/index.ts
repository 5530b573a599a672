import { pino } from 'pino'
import { loadConfig } from './config/config.ts'
import { type Gateway, type Loss, lossWords } from './gateway/gateway.ts'
import { openGateway } from './gateway/open-gateway.ts'
import type { NodeView } from './model/node.ts'

/**
 * The package as a library: a gateway inside another program of Node 24 or newer. Its types stand for themselves, so
 * that nothing else of the gateway becomes a promise.
 */

/** A gateway that runs in this process. */
export interface RunningGateway {
  /** Where its HTTP API is. */
  readonly url: string
  /** Its peer id. */
  readonly peerId: string
  /** Addresses at which other peers can dial it. */
  readonly multiaddrs: readonly string[]
  /** Refuses new work, finishes what it has, and releases everything. Idempotent. */
  stop(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface GatewayOptions {
  /** What `PEERGATE_…` variables configure, such as `{ PEERGATE_DATA_DIR: './data', PEERGATE_HTTP_PORT: '0' }`; the environment is not read. */
  readonly settings?: Readonly<Record<string, string>>
  /** Gets each line of the log, as JSON; nothing is written without it. */
  readonly log?: (line: string) => void
  /**
   * The gateway has stopped by itself: another process runs with its key and has taken its peer id, or the disk of its database
   * has failed.
   */
  readonly onLost?: (reason: 'identity_in_use' | 'disk_failed') => void
}

/**
 * Starts a gateway.
 * @throws {Error} with the name `ConfigError` when a setting is wrong, or `StartupError` when something on this machine has to be mended first
 */
export async function createGateway({ settings = {}, log, onLost }: GatewayOptions = {}): Promise<RunningGateway> {
  const config = loadConfig(settings)
  const logger =
    log === undefined ? pino({ level: 'silent' }) : pino({ level: config.logLevel, base: null }, { write: (line) => log(line.trimEnd()) })
  for (const warning of config.warnings) logger.warn(warning)
  const gateway = await openGateway(config, { logger, onLost: lost })
  await gateway.start()
  const { peerId, multiaddrs } = await nodeOf(gateway)
  return {
    url: gateway.url,
    peerId,
    multiaddrs,
    stop: () => gateway.stop(),
    [Symbol.asyncDispose]: () => gateway.stop(),
  }

  function lost(reason: Loss): void {
    logger.error({ reason: lossWords[reason] }, 'the gateway stops')
    // What fails to stop is in the log. A rejection that nobody handles would end the program.
    gateway.stop().catch(() => undefined)
    onLost?.(reason)
  }
}

/** A gateway that nobody gets is stopped. */
async function nodeOf(gateway: Gateway): Promise<NodeView> {
  try {
    return await gateway.node()
  } catch (error) {
    await gateway.stop().catch(() => undefined)
    throw error
  }
}
