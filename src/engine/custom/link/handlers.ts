import type { HandleOptions, RequestHandler } from '../../engine.ts'

/** What requests of peers are answered, by protocol; outlives links, stops and starts. */
export interface Handlers {
  set(protocol: string, handler: RequestHandler, options: HandleOptions): void
  delete(protocol: string): void
  get(protocol: string): Handled | undefined
  readonly protocols: string[]
}

export interface Handled {
  readonly handler: RequestHandler
  readonly options: HandleOptions
  /** Requests being worked on, and the bytes of their bodies. */
  open: number
  bytes: number
}

export function createHandlers(): Handlers {
  const handled = new Map<string, Handled>()
  return {
    set: (protocol, handler, options) => void handled.set(protocol, { handler, options, open: 0, bytes: 0 }),
    delete: (protocol) => void handled.delete(protocol),
    get: (protocol) => handled.get(protocol),
    get protocols() {
      return [...handled.keys()]
    },
  }
}
