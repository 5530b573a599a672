import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Generated clients, and a gateway for each. `run.ts` starts it, with the clients built. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/generated-clients/**/*.test.ts'],
    setupFiles: ['test/fixtures/show-output-of-failures.ts'],
    globalSetup: ['test/fixtures/build-gateway.ts'],
    testTimeout: 60_000,
  },
})
