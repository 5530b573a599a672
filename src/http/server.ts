import type { FastifyInstance } from 'fastify'
import { plainAddress } from '../access/client-key.ts'
import type { Limits } from '../limits.ts'
import { type AppComponents, type AppInit, createApp } from './app.ts'
import { createHttpConnections } from './connections.ts'
import { loopbackConnections } from './descriptors.ts'
import { trustOf } from './forwarding.ts'

/** HTTP, listening. */
export interface HttpServer {
  start(): Promise<void>
  /** Takes no new connections, answers what was asked, and closes. Idempotent. */
  stop(): Promise<void>
  /** Where it listens, with the port that was picked; empty while it does not. */
  readonly url: string
  /** Open connections. */
  readonly connections: number
}

export interface HttpServerInit extends AppInit {
  limits: AppInit['limits'] & Pick<Limits, 'maxHttpConnections' | 'maxHttpConnectionsPerAddress'>
  host: string
  /** 0 picks a free one. */
  port: number
}

export function createHttpServer(init: HttpServerInit, components: AppComponents): HttpServer {
  const { host, port, limits } = init
  const isProxy = trustOf(init.trustedProxies)
  const connections = createHttpConnections(
    {
      max: limits.maxHttpConnections,
      maxPerAddress: limits.maxHttpConnectionsPerAddress,
      maxLoopback: loopbackConnections,
      isTrusted: (address) => isProxy(plainAddress(address)),
    },
    components,
  )
  let app: FastifyInstance | undefined
  /** Requests that have not been answered yet. */
  let open = 0

  return {
    async start() {
      app = await createApp({ ...init, allowedHosts: [...init.allowedHosts, host] }, components)
      connections.watch(app.server)
      app.server.on('request', (_request, response) => {
        open++
        response.once('close', () => open--)
      })
      try {
        await app.listen({ host, port, listenTextResolver: () => 'HTTP listens' })
      } catch (error) {
        await this.stop()
        throw error
      }
    },
    async stop() {
      const stopping = app
      app = undefined
      if (stopping !== undefined) await close(stopping, () => open)
    },
    get connections() {
      return connections.open
    },
    get url() {
      return app === undefined ? '' : urlOf(app)
    },
  }
}

/** Milliseconds between two looks for connections that have become idle, and after which one that never asked for anything is closed. */
const idleLookMs = 20
const silentMs = 1_000

/**
 * Node.js closes the connections that are idle when the server is closed, and waits for all others: for those that become idle later until
 * they time out, and for those that have not asked for anything yet for as long as they like.
 */
async function close(app: FastifyInstance, requests: () => number): Promise<void> {
  const begun = performance.now()
  const timer = setInterval(() => {
    if (performance.now() - begun > silentMs && requests() === 0) app.server.closeAllConnections()
    else app.server.closeIdleConnections()
  }, idleLookMs)
  await app.close().finally(() => clearInterval(timer))
}

function urlOf(app: FastifyInstance): string {
  const address = app.server.address()
  if (address === null || typeof address === 'string') return ''
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${name}:${address.port}`
}
