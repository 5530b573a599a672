import { statSync } from 'node:fs'
import type { Clock } from '../../clock/clock.ts'
import type { HttpSettings } from '../../config/config.ts'
import type { P2PEngine } from '../../engine/engine.ts'
import { descriptorLimit } from '../../http/descriptors.ts'
import { databaseFailure, type Probes } from '../../http/routes/probes.ts'
import type { Limits } from '../../limits.ts'
import type { Finding } from '../../model/finding.ts'
import { describeNetworks } from '../node-info.ts'
import { diskFinding, type Forwarding, judgeClock, judgeConfiguration, judgeDescriptors, judgeProxy } from './machine.ts'
import { judgeNode } from './node.ts'

/** What a gateway that runs on a configured machine is examined with. */
export interface MachineSettings {
  dataDir: string
  /** Warnings about the configuration. */
  warnings: string[]
  /** Number of network listeners. */
  listeners: number
  /** As configured: the system may have lowered those that are in force. */
  limits: Limits
}

export interface DiagnosisInit {
  http: Pick<HttpSettings, 'host' | 'allowedHosts' | 'trustedProxies'>
  /** Absent for a gateway that was composed of parts: then only these are examined. */
  machine?: MachineSettings | undefined
}

export interface DiagnosisComponents {
  engine: Pick<P2PEngine, 'peerId' | 'networks' | 'conflicts'>
  probes: Pick<Probes, 'store' | 'writes' | 'damaged'>
  clock: Pick<Clock, 'now' | 'isHeld'>
}

export interface Diagnosis {
  /** Examines the running gateway. Ports are left out: it has them. Answers also while the database does not. */
  findings(): Promise<Finding[]>
  /** A request with X-Forwarded-For came from this address, which is no trusted proxy. */
  sawForwarding(address: string): void
}

export function createDiagnosis({ http, machine }: DiagnosisInit, components: DiagnosisComponents): Diagnosis {
  const { engine, probes, clock } = components
  let forwarding: Forwarding | undefined

  const findings = async () => [
    ...(machine === undefined ? [] : [judgeConfiguration(machine.warnings)]),
    judgeClock({
      now: Date.now(),
      newest: machine === undefined ? undefined : statSync(machine.dataDir).mtimeMs,
      other: { whose: 'the database', at: clock.now() },
      isHeld: clock.isHeld,
    }),
    ...(machine === undefined
      ? []
      : [await diskFinding(machine.dataDir), judgeDescriptors({ ...machine, descriptors: await descriptorLimit() })]),
    await judgeDatabase(probes),
    judgeProxy(http, forwarding),
    ...judgeNode({ peerId: engine.peerId, ...(await describeNetworks(engine)) }),
  ]

  return {
    findings,
    sawForwarding(address) {
      forwarding = { address, at: Date.now() }
    },
  }
}

async function judgeDatabase(probes: DiagnosisComponents['probes']): Promise<Finding> {
  const failure = await databaseFailure(probes)
  if (failure === undefined) return { check: 'database', state: 'ok', detail: 'The database answers and takes writes.' }
  const fix = `docs/errors.md says what to do about ${failure.code}.`
  return { check: 'database', state: 'problem', detail: failure.message, fix }
}
