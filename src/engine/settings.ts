import { customAddressProblem } from './custom/addresses.ts'
import { libp2pAddressProblem } from './libp2p/addresses.ts'

/** What the operator chose of the engine. */
export interface EngineSettings {
  readonly kind: 'custom' | 'libp2p'
  readonly listen: string[]
  readonly announce: string[]
  readonly bootstrap: string[]
  readonly mdns: boolean
  /** Whether to be a relay for others. */
  readonly relay: boolean
  /** Whether private addresses may be dialled at all. */
  readonly dialPrivate: boolean
  /** Whether addresses of this host itself may be dialled when other peers told them. */
  readonly dialOwnHost: boolean
}

/** What can't work with the chosen engine, by the variable that says so. */
export function engineSettingsProblems(settings: EngineSettings): Array<{ variable: string; problem: string }> {
  const roles = [
    ['PEERGATE_LISTEN', 'listen'],
    ['PEERGATE_ANNOUNCE', 'announce'],
    ['PEERGATE_BOOTSTRAP', 'bootstrap'],
  ] as const
  const addressProblem = settings.kind === 'custom' ? customAddressProblem : libp2pAddressProblem
  const problems = roles.flatMap(([variable, role]) =>
    settings[role].flatMap((address) => {
      const problem = addressProblem(address, role)
      return problem === undefined ? [] : [{ variable, problem }]
    }),
  )
  if (settings.kind === 'libp2p' || !settings.relay) return problems
  return [...problems, { variable: 'PEERGATE_RELAY', problem: 'is true, but the custom engine is no relay; set LIBP2P_ENABLED=true' }]
}
