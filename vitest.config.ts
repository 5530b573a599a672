import { defineConfig } from 'vitest/config'

/** Tests of whole gateways, as their users have them. */
const endToEnd = ['test/e2e/**/*.test.ts', 'test/clients/**/*.test.ts', 'test/examples.test.ts']

/** End-to-end tests start processes and fill sockets: one file after another, after everything else, so that none disturbs the other. */
export default defineConfig({
  test: {
    setupFiles: ['test/fixtures/show-output-of-failures.ts'],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    expect: { poll: { timeout: 5_000, interval: 20 } },
    projects: [
      { extends: true, test: { name: 'parts', include: ['test/**/*.test.ts'], exclude: endToEnd, sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: { name: 'end to end', include: endToEnd, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
})
