import { type Asker, askerOf } from '../../asker.ts'
import { type Bodies, type BodiesLimits, createBodies } from '../../bodies.ts'
import type { Teller } from '../../dial/tellers.ts'
import type { HandleOptions, RequestHandler } from '../../engine.ts'
import type { LimitsReached } from '../../limits-reached.ts'
import { createRequestSemaphore, type RequestSemaphore } from '../../request-semaphore.ts'

/** The handlers of peers' requests, by protocol, with their limits. They outlive links, stops and starts. */
export interface Handlers {
  set(protocol: string, handler: RequestHandler, options: HandleOptions): void
  delete(protocol: string): void
  get(protocol: string): Handled | undefined
  readonly protocols: string[]
  /** The bodies of all links together. */
  readonly bodies: Bodies
  /** The key that the share of a peer is counted by. */
  askerOf(peerId: string, seen: Teller): Asker
}

export interface Handled {
  readonly handler: RequestHandler
  readonly options: HandleOptions
  /** Requests in progress. */
  readonly places: RequestSemaphore
}

export interface HandlersComponents {
  reached: LimitsReached
  isConfigured(peerId: string): boolean
}

export function createHandlers(init: { limits: BodiesLimits }, components: HandlersComponents): Handlers {
  const { reached, isConfigured } = components
  const handled = new Map<string, Handled>()
  const onRefused = () => reached.note('request_place')
  return {
    bodies: createBodies(init, { onGivenUp: () => reached.note('body_given_up'), onRefused: () => reached.note('body_refused') }),
    set(protocol, handler, options) {
      handled.set(protocol, { handler, options, places: createRequestSemaphore(options, { onRefused }) })
    },
    delete: (protocol) => void handled.delete(protocol),
    get: (protocol) => handled.get(protocol),
    askerOf: (peerId, seen) => askerOf(peerId, seen, { isConfigured: isConfigured(peerId) }),
    get protocols() {
      return [...handled.keys()]
    },
  }
}
