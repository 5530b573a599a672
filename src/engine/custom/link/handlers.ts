import { type Bodies, type BodiesLimits, createBodies } from '../../bodies.ts'
import type { HandleOptions, RequestHandler } from '../../engine.ts'
import { createRequestPlaces, type RequestPlaces } from '../../request-places.ts'

/** What requests of peers are answered, by protocol, and how much of that at once; outlives links, stops and starts. */
export interface Handlers {
  set(protocol: string, handler: RequestHandler, options: HandleOptions): void
  delete(protocol: string): void
  get(protocol: string): Handled | undefined
  readonly protocols: string[]
  /** Of all links together. */
  readonly bodies: Bodies
}

export interface Handled {
  readonly handler: RequestHandler
  readonly options: HandleOptions
  /** Requests being worked on. */
  readonly places: RequestPlaces
}

export function createHandlers(init: { limits: BodiesLimits }): Handlers {
  const handled = new Map<string, Handled>()
  return {
    bodies: createBodies(init),
    set: (protocol, handler, options) => void handled.set(protocol, { handler, options, places: createRequestPlaces(options) }),
    delete: (protocol) => void handled.delete(protocol),
    get: (protocol) => handled.get(protocol),
    get protocols() {
      return [...handled.keys()]
    },
  }
}
