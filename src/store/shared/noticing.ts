import type { Store } from '../store.ts'

/** The same store; errors that its calls reject with are also reported to `failed`. */
export function noticing(store: Store, failed: (error: unknown) => void): Store {
  const heard = <Part extends object>(part: Part): Part => heardOf(part, failed)
  return {
    ...store,
    log: heard(store.log),
    topics: heard(store.topics),
    peers: heard(store.peers),
    records: heard(store.records),
    gateways: heard(store.gateways),
    tokens: heard(store.tokens),
    sessions: heard(store.sessions),
    audit: heard(store.audit),
    deliveries: heard(store.deliveries),
    consumers: heard(store.consumers),
    webhooks: heard(store.webhooks),
  }
}

/** All methods of a part are asynchronous. */
function heardOf<Part extends object>(part: Part, failed: (error: unknown) => void): Part {
  return new Proxy(part, {
    get(target, name) {
      const method: unknown = Reflect.get(target, name)
      if (typeof method !== 'function') return method
      return async (...values: unknown[]): Promise<unknown> => {
        try {
          return await Reflect.apply(method, target, values)
        } catch (error) {
          failed(error)
          throw error
        }
      }
    },
  })
}
