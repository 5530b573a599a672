import type { Store } from '../store.ts'

/** Runs around each call of a store's part. */
export type Around = (call: () => Promise<unknown>) => Promise<unknown>

/** The same store; each call of its parts, all of which are asynchronous, is made by `around`. */
export function everyCall(store: Store, around: Around): Store {
  const within = <Part extends object>(part: Part): Part => callsOf(part, around)
  return {
    ...store,
    log: within(store.log),
    topics: within(store.topics),
    peers: within(store.peers),
    records: within(store.records),
    gateways: within(store.gateways),
    tokens: within(store.tokens),
    sessions: within(store.sessions),
    audit: within(store.audit),
    deliveries: within(store.deliveries),
    consumers: within(store.consumers),
    webhooks: within(store.webhooks),
    clock: within(store.clock),
  }
}

function callsOf<Part extends object>(part: Part, around: Around): Part {
  return new Proxy(part, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return async (...values: unknown[]): Promise<unknown> => await around(async () => await Reflect.apply(method, target, values))
    },
  })
}
