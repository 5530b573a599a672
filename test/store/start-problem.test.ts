import { join } from 'node:path'
import { expect, test } from 'vitest'
import { StartupError } from '../../src/lib/startup-error.ts'
import { createStore } from '../../src/store/create-store.ts'
import { silentLog } from '../fixtures/log.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

test('a database that can not be reached is named without its password', async () => {
  const servedMarkFile = join(await temporaryDirectory(), 'served')
  const store = await createStore({ url: 'postgresql://user:hidden@127.0.0.1:1/log', servedMarkFile, migrate: true }, { logger: silentLog })
  const refusal = await store.start().catch((error: unknown) => error)
  expect(refusal).toBeInstanceOf(StartupError)
  expect(String(refusal)).toMatch(/user@127\.0\.0\.1:1\/log can't be used/)
  expect(String(refusal)).not.toContain('hidden')
})
