import type { Store } from '../store.ts'
import { everyCall } from './every-call.ts'

/** The same store; errors that its calls reject with are also reported to `failed`. */
export function noticing(store: Store, failed: (error: unknown) => void): Store {
  return everyCall(store, async (call) => {
    try {
      return await call()
    } catch (error) {
      failed(error)
      throw error
    }
  })
}
