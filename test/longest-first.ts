import { BaseSequencer, type TestSpecification } from 'vitest/node'

/**
 * The files that take longest, longest first. On a clean checkout vitest knows no durations and would begin with what has the most bytes:
 * a file of a minute that begins last has one worker go on alone.
 */
const longest = [
  'e2e/nat/matrix',
  'e2e/nat/changes',
  'e2e/nat/webrtc',
  'e2e/churn',
  'e2e/bridge/migration',
  'e2e/command',
  'e2e/hostile/fuzzed-ports',
  'e2e/direct',
  'e2e/two-gateways',
  'e2e/console',
  'e2e/hidden-libp2p-nodes',
  'e2e/power-loss',
  'e2e/postgres',
  'e2e/crash',
  'e2e/no-gap',
  'e2e/partition',
  'documents/examples',
  'e2e/catch-up',
  'e2e/soak',
  'e2e/postgres-failures',
  'e2e/bad-links',
  'e2e/damage',
  'e2e/package',
  'e2e/port-mapping',
  'e2e/hostile/hostile-listeners',
  'e2e/hostile/told-dials',
  'e2e/bridge/order',
  'e2e/unjoined-topics',
  'e2e/hidden-nodes',
  'e2e/hostile/come-back',
  'e2e/bridge/bridge',
  'documents/guides',
  'e2e/many-gateways',
  'e2e/hostile/silent-requests',
  'e2e/hostile/waiting-bodies',
  'e2e/faults',
  'e2e/consumers',
  'e2e/clock-steps',
  'e2e/bridge/requests',
  'e2e/bridge/away',
  'e2e/fsync',
  'e2e/reachability',
  'e2e/deployment',
  'e2e/console-tail',
  'engine/custom/dht/network',
  'engine/custom/overlay/attackers',
  'engine/libp2p/full-speed',
  'catch-up/order',
  'store/postgres-store',
  'services/services',
  'store/postgres-plans',
  'engine/libp2p/libp2p-engine',
  'engine/interop',
  'catch-up/different-retention',
  'engine/custom/link/floods',
  'engine/custom/overlay/prices',
  'engine/custom/overlay/faults',
  'engine/custom/overlay/delivery',
  'engine/custom/overlay/topics',
  'engine/libp2p/routing',
  'engine/libp2p/relay',
  'engine/both/both-engine',
  'engine/mute-links',
  'catch-up/catch-up',
  'engine/libp2p/punching/quic-own-port',
  'access/revocation',
  'clock/expiries',
  'interop/gossip-go',
  'interop/restarts',
  'interop/gossip-kubo',
  'interop/networks',
  'interop/gossip-python',
  'interop/migration',
  'interop/bridge',
  'interop/gossip-rust',
  'interop/relays',
  'interop/waiting',
].map((name) => `/test/${name}.test.ts`)

function rank({ moduleId }: TestSpecification): number {
  const index = longest.findIndex((name) => moduleId.endsWith(name))
  return index === -1 ? longest.length : index
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const group = ({ project }: TestSpecification) => project.config.sequence.groupOrder
    // Project by project: a process is given a next file only if that is of the same one.
    const projects = [...new Set(files.map(({ project }) => project.name))]
    const place = ({ project }: TestSpecification) => projects.indexOf(project.name)
    const sorted = await super.sort(files)
    return sorted.toSorted((one, other) => group(one) - group(other) || place(one) - place(other) || rank(one) - rank(other))
  }
}
