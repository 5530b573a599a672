import type { Logger } from 'pino'
import { StoreUnavailable, toPeergateError } from '../errors.ts'
import { createSeldom } from '../lib/seldom.ts'
import { createSingleFlight } from '../lib/single-flight.ts'
import type { Store } from '../store/store.ts'
import type { Metrics } from '../telemetry/metrics.ts'

/**
 * Knows whether the database accepts writes: from the last append, or from a trial write when there was none for a
 * while.
 */
export interface WriteWatch {
  start(): Promise<void>
  /** Finishes the current trial. */
  stop(): Promise<void>
  /** An append was stored. */
  succeeded(): void
  /** An append failed, and this number of requests was refused. */
  failed(error: unknown, requests: number): void
  /** The error of the last write; undefined while writes work. */
  readonly failure: StoreUnavailable | undefined
}

export interface WriteWatchComponents {
  store: Pick<Store, 'check'> & { readonly log: Pick<Store['log'], 'tryWrite'> }
  metrics: Pick<Metrics, 'failedWrite'>
  logger: Logger
}

/** Milliseconds between two checks that the files are in place, and between two trial writes while writes fail. */
const lookMs = 1_000
/** Milliseconds without a write after which a trial write is made. */
const silenceMs = 10_000
/** Milliseconds between two log lines while writes fail. */
const lineMs = 60_000

export function createWriteWatch(components: WriteWatchComponents): WriteWatch {
  const { store, metrics, logger } = components
  let failure: StoreUnavailable | undefined
  let timer: NodeJS.Timeout | undefined
  let lastWrite = Number.NEGATIVE_INFINITY
  const isDue = createSeldom({ everyMs: lineMs })
  /** Requests refused since the last log line. */
  let refused = 0

  function succeeded(): void {
    lastWrite = performance.now()
    if (failure === undefined) return
    failure = undefined
    logger.info({ refused }, 'the database accepts writes again')
    refused = 0
  }

  function failed(error: unknown, requests: number): void {
    // Any other error is a bug in this process, and is logged where it occurs.
    if (!(error instanceof StoreUnavailable)) return
    const isFirst = failure === undefined
    failure = error
    lastWrite = performance.now()
    refused += requests
    metrics.failedWrite(error.code)
    if (!isDue('writes') && !isFirst) return
    logger.error(
      { code: error.code, reason: reasonOf(error), refused },
      'the database does not accept writes; publish requests are refused',
    )
    refused = 0
  }

  async function tryWrite(): Promise<void> {
    try {
      await store.log.tryWrite()
      succeeded()
    } catch (error) {
      failed(error instanceof StoreUnavailable ? error : new StoreUnavailable(toPeergateError(error).message, { cause: error }), 0)
    }
  }

  async function look(): Promise<void> {
    try {
      store.check()
    } catch (error) {
      failed(error, 0)
      return
    }
    if (failure === undefined && performance.now() - lastWrite < silenceMs) return
    await tryWrite()
  }

  const looking = createSingleFlight(look)

  return {
    async start() {
      timer = setInterval(() => void looking.run(), lookMs)
      void looking.run()
    },
    async stop() {
      clearInterval(timer)
      await looking.idle()
    },
    succeeded,
    failed,
    get failure() {
      return failure
    },
  }
}

/** The cause in one line, for the log. */
function reasonOf(error: StoreUnavailable): string {
  return error.cause instanceof Error ? error.cause.message : error.message
}
