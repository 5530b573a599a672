import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { adoptSocketsOf } from '../lib/adopt-socket.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createHttpConnections } from './connections.ts'
import { inTurns } from './request-turns.ts'

/** Serves the metrics on a separate port, which clients of the API need not reach. */
export interface MetricsServer {
  start(): Promise<void>
  /** Idempotent. */
  stop(): Promise<void>
  /** The listening port; 0 while stopped. */
  readonly port: number
}

/** Few clients read metrics, and rarely. */
const connectionCaps = { max: 64, maxPerAddress: 16, maxLoopback: 4 }
/** Timeouts for receiving a request and reading its response, in milliseconds. */
const timeouts = { headersTimeout: 15_000, requestTimeout: 15_000, connectionsCheckingInterval: 1_000 }
/**
 * Declines upgrades by continuing in HTTP (RFC 9110 §7.8): an upgraded socket without a handler would stay open
 * forever.
 */
const noUpgrades = { shouldUpgradeCallback: () => false }

export function createMetricsServer(
  init: { host: string; port: number },
  components: { metrics: Pick<Metrics, 'text' | 'contentType'>; logger: Logger },
): MetricsServer {
  const { metrics } = components
  let server: Server | undefined

  return {
    async start() {
      const serve: RequestListener = (request, response) => {
        const found = request.url === '/metrics' && (request.method === 'GET' || request.method === 'HEAD')
        if (!found) return void response.writeHead(404).end()
        response.setTimeout(timeouts.requestTimeout, () => response.destroy())
        metrics.text().then(
          (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
          () => response.writeHead(500).end(),
        )
      }
      server = createServer({ ...timeouts, ...noUpgrades }, inTurns(serve))
      createHttpConnections(connectionCaps, components).watch(server)
      adoptSocketsOf(server).listen(init.port, init.host)
      await once(server, 'listening')
    },
    async stop() {
      const stopping = server
      server = undefined
      if (stopping === undefined) return
      const closed = once(stopping, 'close')
      stopping.close()
      stopping.closeAllConnections()
      await closed
    },
    get port() {
      return (server?.address() as AddressInfo | null | undefined)?.port ?? 0
    },
  }
}
