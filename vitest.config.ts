import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/** Tests of whole gateways, as their users have them. */
const endToEnd = ['test/e2e/**/*.test.ts', 'test/clients/**/*.test.ts', 'test/documents/examples.test.ts']

/** Those of them that measure memory and latency, or use up a limit of the machine: one file after another, with nothing beside it. */
const measured = [
  'test/e2e/churn.test.ts',
  'test/e2e/hostile/!(come-back|forwarded-for|one-token|silent-requests|told-dials|unauthenticated).test.ts',
  'test/e2e/reconnect.test.ts',
  'test/e2e/slow-readers.test.ts',
  'test/e2e/soak.test.ts',
]

/** Beside nodes that others wrote, which are built for it: `npm run test:interop`. */
const foreignPeers = 'test/interop/**'

/** By default one processor is left idle, which is half of a small machine. */
const maxWorkers = availableParallelism()

/** Waits are long enough for a busy machine: one whose condition comes sooner ends sooner. */
export default defineConfig({
  test: {
    setupFiles: ['test/fixtures/show-output-of-failures.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000, interval: 20 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...endToEnd, foreignPeers],
          maxWorkers,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'end to end',
          include: endToEnd,
          exclude: measured,
          // One more than there are processors: some wait for minutes to pass.
          maxWorkers: Math.min(3, maxWorkers + 1),
          globalSetup: ['test/fixtures/warm-compile-cache.ts'],
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'measured',
          include: measured,
          fileParallelism: false,
          globalSetup: ['test/fixtures/warm-compile-cache.ts'],
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
