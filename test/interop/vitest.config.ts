import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from '../longest-first.ts'

/** The matrix of foreign peers. `run.ts` starts it, with the peers built. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['test/interop/**/*.test.ts'],
    setupFiles: ['test/fixtures/show-output-of-failures.ts'],
    globalSetup: ['test/fixtures/build-gateway.ts'],
    reporters: ['default', 'test/interop/table-reporter.ts'],
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000, interval: 20 } },
    sequence: { sequencer: LongestFirst },
    // Each cell is a gateway and a peer that exchange some hundred messages a second, which leave half of a processor idle.
    maxWorkers: Math.min(4, 2 * availableParallelism()),
  },
})
