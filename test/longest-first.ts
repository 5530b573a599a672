import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The files that take longest, longest first. On a clean checkout vitest knows no durations and would begin with what has the most bytes:
 * a file of a minute that begins last has one worker go on alone.
 */
const longest = [
  'e2e/nat/matrix',
  'e2e/nat/changes',
  'e2e/no-gap',
  'e2e/churn',
  'e2e/soak',
  'e2e/bridge/migration',
  'e2e/catch-up',
  'e2e/command',
  'e2e/crash',
  'e2e/postgres-failures',
  'e2e/postgres',
  'e2e/direct',
  'e2e/partition',
  'e2e/many-gateways',
  'e2e/two-gateways',
  'documents/guides',
  'documents/examples',
  'e2e/bad-links',
  'e2e/power-loss',
  'e2e/bridge/order',
  'e2e/hostile/told-dials',
  'e2e/local-networks',
  'e2e/hostile/fuzzed-ports',
  'e2e/hostile/come-back',
  'e2e/hidden-nodes',
  'e2e/nat/punching',
  'e2e/clock-steps',
  'e2e/commands',
  'e2e/faults',
  'e2e/damage',
  'clients/python',
  'e2e/process',
  'e2e/console',
  'e2e/deployment',
  'e2e/start-errors',
  'e2e/hostile/silent-requests',
  'e2e/hostile/waiting-bodies',
  'catch-up/different-retention',
  'catch-up/catch-up',
  'engine/custom/link/floods',
  'engine/libp2p/full-speed',
  'services/services',
  'engine/custom/dht/network',
  'engine/interop',
  'engine/custom/full-speed',
  'store/postgres-store',
  'interop/gossip-go',
  'interop/restarts',
  'interop/gossip-kubo',
  'interop/networks',
  'interop/gossip-python',
  'interop/gossip-rust',
].map((name) => `/test/${name}.test.ts`)

function rank({ moduleId }: TestSpecification): number {
  const index = longest.findIndex((name) => moduleId.endsWith(name))
  return index === -1 ? longest.length : index
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const group = ({ project }: TestSpecification) => project.config.sequence.groupOrder
    return (await super.sort(files)).toSorted((one, other) => group(one) - group(other) || rank(one) - rank(other))
  }
}
