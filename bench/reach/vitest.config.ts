import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

/** Each figure is taken with nothing beside it. */
export default defineConfig({
  root: fileURLToPath(new URL('../..', import.meta.url)),
  test: {
    include: ['bench/reach/figures.ts'],
    globalSetup: ['test/fixtures/build-gateway.ts'],
    testTimeout: 240_000,
    expect: { poll: { timeout: 120_000, interval: 5 } },
  },
})
