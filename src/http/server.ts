import type { FastifyInstance } from 'fastify'
import { plainAddress } from '../lib/ip-network.ts'
import type { Limits } from '../limits.ts'
import { type AppComponents, type AppInit, createApp } from './app.ts'
import { createHttpConnections } from './connections.ts'
import { loopbackConnections } from './descriptors.ts'
import { trustOf } from './forwarding.ts'

/** The HTTP server of the API. This room owns routes, requests and responses; the rooms below own what they do. */
export interface HttpServer {
  start(): Promise<void>
  /** Accepts no new connections, answers pending requests, and closes. Idempotent. */
  stop(): Promise<void>
  /** The URL with the actual port; empty while stopped. */
  readonly url: string
  /** Open connections. */
  readonly connections: number
}

export interface HttpServerInit extends AppInit {
  limits: AppInit['limits'] & Pick<Limits, 'maxHttpConnections' | 'maxHttpConnectionsPerAddress'>
  host: string
  /** 0 picks a free port. */
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
  /** Unanswered requests. */
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

/**
 * Milliseconds between two checks for idle connections, and after which connections without a request are closed too.
 */
const idleLookMs = 20
const silentMs = 1_000

/**
 * Closes connections as they become idle. Node.js closes only those that are idle at that moment: it waits for the
 * timeout of those that become idle later, and without limit for those that have not sent a request yet.
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
