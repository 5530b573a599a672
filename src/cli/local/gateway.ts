import { stdout } from 'node:process'
import { type Logger, pino } from 'pino'
import { type Config, ConfigError, loadConfig } from '../../config/config.ts'
import { StoreUnavailable } from '../../errors.ts'
import { type Gateway, type Loss, lossWords } from '../../gateway/gateway.ts'
import { openGateway } from '../../gateway/open-gateway.ts'
import { createShutdown } from '../../gateway/shutdown.ts'
import { ed25519 } from '../../lib/ed25519.ts'
import { letNewSpaceGrow } from '../../lib/new-space.ts'
import { StartupError } from '../../lib/startup-error.ts'
import { exitCodes } from '../exit-codes.ts'

/**
 * Runs a gateway as the process: configuration, signals, uncaught errors and the exit code. Everything else is the
 * gateway's.
 */
export async function runGateway(): Promise<void> {
  const config = readConfig()
  const logger = pino(
    { level: config.logLevel, base: null, serializers: { err: describeError } },
    pino.destination({ fd: stdout.fd, sync: true }),
  )
  for (const warning of config.warnings) logger.warn(warning)
  process.on('unhandledRejection', (err) => logger.error({ err }, 'unhandled promise rejection; the gateway continues'))
  process.on('uncaughtException', (err) => {
    logger.fatal({ err }, 'uncaught exception: the gateway exits; acknowledged messages are safe')
    process.exit(exitCodes.failure)
  })
  await run(config, logger)
}

async function run(config: Config, logger: Logger): Promise<void> {
  try {
    // A supervisor starts it again after a failed disk, but not against the process that has its key.
    const codes: Record<Loss, number> = { identity_in_use: 0, disk_failed: exitCodes.failure }
    const gateway = await openGateway(config, { logger, onLost: (reason) => shutdown(lossWords[reason], codes[reason]) })
    const shutdown = createShutdown(
      { deadlineMs: config.shutdownMs },
      { stop: () => gateway.stop(), exit: (code) => process.exit(code), logger },
    )
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => shutdown(signal))
    await gateway.start()
    await announce(gateway, logger)
    letNewSpaceGrow()
  } catch (error) {
    if (error instanceof StartupError) fail(error.message, exitCodes.config)
    logger.fatal({ err: error }, 'the gateway could not start')
    process.exit(exitCodes.failure)
  }
}

async function announce(gateway: Gateway, logger: Logger): Promise<void> {
  const { peerId, multiaddrs } = await gateway.node()
  const { library } = ed25519
  logger.info({ url: gateway.url, metricsPort: gateway.metricsPort, peerId, multiaddrs, signatures: library }, 'listening')
}

function readConfig(): Config {
  try {
    return loadConfig(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return fail(`Peergate can't start with this configuration:\n${error.message.replace(/^/gm, '  ')}`, exitCodes.config)
  }
}

/** Logs an unavailable database without a stack: it is a state that many parts meet repeatedly, not a fault in them. */
function describeError(error: Error): object {
  if (!(error instanceof StoreUnavailable)) return pino.stdSerializers.err(error)
  const { name, code, message, cause } = error
  return { type: name, code, message, ...(cause instanceof Error ? { cause: cause.message } : {}) }
}

function fail(text: string, code: number): never {
  process.stderr.write(`${text}\n`)
  process.exit(code)
}
