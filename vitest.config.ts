import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/longest-first.ts'

/** Tests of whole gateways, as their users have them. */
const endToEnd = ['test/e2e/**/*.test.ts', 'test/documents/{examples,guides}.test.ts']

/** Those of them that measure latency or use up a limit of the machine: one file after another, with nothing beside it. */
const measured = [
  'test/e2e/hostile/{costly-history,everything-at-once,local-announcements}.test.ts',
  'test/e2e/{reconnect,slow-readers}.test.ts',
]

/** Nodes with real links. */
const engines = 'test/engine/**/*.test.ts'

/**
 * The first replaces a module for all who import it. The others have connections over WebRTC, whose native threads are those of the whole
 * process: in shared ones the close of a channel did not arrive now and then.
 */
const ownProcess = [
  'test/engine/custom/link/floods.test.ts',
  'test/engine/custom/reach/{datagram-path,reach}.test.ts',
  'test/engine/libp2p/full-speed.test.ts',
  'test/engine/libp2p/webrtc/{hostile-channels,webrtc}.test.ts',
  'test/engine/webrtc/channel-connection.test.ts',
]

/** With programs that are built or installed for them: `npm run test:interop`, `test:clients` and `test:contract`. */
const builtFirst = ['test/interop/**', 'test/generated-clients/**', 'test/clients-{go,python}/**', 'test/contract/**']

/** Two more than there are processors: files wait for deadlines and for links, and with one more a fifth of two processors is idle. */
const maxWorkers = availableParallelism() + 2

/** Waits are long enough for a busy machine: one whose condition comes sooner ends sooner. */
export default defineConfig({
  test: {
    setupFiles: ['test/fixtures/show-output-of-failures.ts', 'test/fixtures/leave-nothing-behind.ts'],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 20_000, interval: 20 } },
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: [...endToEnd, engines, ...builtFirst],
          maxWorkers,
          // Files of a worker share what they import: to load it for each of them takes two fifths of the processor's time.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: { name: 'engines', include: [engines], exclude: ownProcess, maxWorkers, isolate: false, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: { name: 'own process', include: ownProcess, maxWorkers, sequence: { groupOrder: 0 } },
      },
      {
        extends: true,
        test: {
          name: 'end to end',
          include: endToEnd,
          exclude: measured,
          // Each of them has several processes, and waits for half of its time.
          maxWorkers: Math.min(4, 2 * availableParallelism()),
          globalSetup: ['test/fixtures/build-gateway.ts'],
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'measured',
          include: measured,
          fileParallelism: false,
          globalSetup: ['test/fixtures/build-gateway.ts'],
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
})
