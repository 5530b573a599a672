import type { FastifyInstance } from 'fastify'
import { type AppComponents, type AppInit, createApp } from './app.ts'

/** HTTP, listening. */
export interface HttpServer {
  start(): Promise<void>
  /** Takes no new connections, answers what was asked, and closes. Idempotent. */
  stop(): Promise<void>
  /** Where it listens, with the port that was picked; empty while it does not. */
  readonly url: string
}

export interface HttpServerInit extends AppInit {
  host: string
  /** 0 picks a free one. */
  port: number
}

export function createHttpServer(init: HttpServerInit, components: AppComponents): HttpServer {
  const { host, port } = init
  let app: FastifyInstance | undefined

  return {
    async start() {
      app = await createApp({ ...init, allowedHosts: [...init.allowedHosts, host] }, components)
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
      await stopping?.close()
    },
    get url() {
      return app === undefined ? '' : urlOf(app)
    },
  }
}

function urlOf(app: FastifyInstance): string {
  const address = app.server.address()
  if (address === null || typeof address === 'string') return ''
  const name = address.family === 'IPv6' ? `[${address.address}]` : address.address
  return `http://${name}:${address.port}`
}
