import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { adoptSocketsOf } from '../lib/adopt-socket.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { createHttpConnections } from './connections.ts'

/** The metrics on a port of their own, so that whoever reaches the API need not reach them. */
export interface MetricsServer {
  start(): Promise<void>
  /** Idempotent. */
  stop(): Promise<void>
  /** Where it listens; 0 while it does not. */
  readonly port: number
}

/** Few ask for metrics, and now and then. */
const connectionCaps = { max: 64, maxPerAddress: 16, maxLoopback: 4 }
/** Milliseconds in which a request must be there, and its answer taken. */
const timeouts = { headersTimeout: 15_000, requestTimeout: 15_000, connectionsCheckingInterval: 1_000 }
/** An upgrade is declined by going on in HTTP (RFC 9110 §7.8): what is upgraded and taken by nobody stays open for ever. */
const noUpgrades = { shouldUpgradeCallback: () => false }

export function createMetricsServer(
  init: { host: string; port: number },
  components: { metrics: Pick<Metrics, 'text' | 'contentType'>; logger: Logger },
): MetricsServer {
  const { metrics } = components
  let server: Server | undefined

  return {
    async start() {
      server = createServer({ ...timeouts, ...noUpgrades }, (request, response) => {
        const found = request.url === '/metrics' && (request.method === 'GET' || request.method === 'HEAD')
        if (!found) return void response.writeHead(404).end()
        response.setTimeout(timeouts.requestTimeout, () => response.destroy())
        metrics.text().then(
          (text) => response.writeHead(200, { 'content-type': metrics.contentType }).end(text),
          () => response.writeHead(500).end(),
        )
      })
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
