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
}

/** What can't work with the chosen engine, by the variable that says so. */
export function engineSettingsProblems(settings: EngineSettings): Array<{ variable: string; problem: string }> {
  if (settings.kind === 'custom') {
    return [
      {
        variable: 'LIBP2P_ENABLED',
        problem: 'is false or not set, which asks for the custom engine; this version has the libp2p engine only. Set LIBP2P_ENABLED=true.',
      },
    ]
  }
  const roles = [
    ['PEERGATE_LISTEN', 'listen'],
    ['PEERGATE_ANNOUNCE', 'announce'],
    ['PEERGATE_BOOTSTRAP', 'bootstrap'],
  ] as const
  return roles.flatMap(([variable, role]) =>
    settings[role].flatMap((address) => {
      const problem = libp2pAddressProblem(address, role)
      return problem === undefined ? [] : [{ variable, problem }]
    }),
  )
}
