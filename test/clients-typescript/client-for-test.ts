import { onTestFinished } from 'vitest'
import type { ClientInit } from '../../clients/typescript/src/client.ts'
import { createClient } from '../../clients/typescript/src/index.ts'

/** A client with short pauses that is closed with the test. */
export function clientForTest(init: ClientInit) {
  const client = createClient({ backOff: { firstMs: 20, lastMs: 200 }, ...init })
  onTestFinished(() => client.close())
  return client
}
