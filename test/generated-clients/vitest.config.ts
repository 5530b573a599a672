import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Clients in other languages, generated and written, and gateways for them. `run.ts` starts it, with the generated clients built. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/generated-clients/**/*.test.ts', 'test/clients-{go,python}/**/*.test.ts'],
    setupFiles: ['test/fixtures/show-output-of-failures.ts'],
    globalSetup: ['test/fixtures/build-gateway.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000, interval: 20 } },
    // Compilers and gateways that are cut off and start anew leave two fifths of a processor idle.
    maxWorkers: 1 + availableParallelism(),
  },
})
