import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** The contract, judged by programs of others. Their first run installs them. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/contract/**/*.test.ts'],
    setupFiles: ['test/fixtures/show-output-of-failures.ts'],
    globalSetup: ['test/fixtures/build-gateway.ts'],
    testTimeout: 600_000,
  },
})
