/** What the matrix runs against; each is a folder in `peers/`. */
export const peerKinds = ['go', 'kubo', 'rust', 'python'] as const
export type PeerKind = (typeof peerKinds)[number]

export interface BuiltPeer {
  /** The program, and what stands before a test's own arguments. */
  readonly command: readonly string[]
  /** Of the libraries, as the lock files have them. */
  readonly version: string
}

/** Why there is none. */
export interface MissingPeer {
  readonly missing: string
}

export type Peers = Record<PeerKind, BuiltPeer | MissingPeer>

/** Where `run.ts` tells the tests what it has built, as JSON. */
export const peersVariable = 'PEERGATE_INTEROP_PEERS'

/** @throws Error when the tests were not started by `npm run test:interop` */
export function peersOfRun(): Peers {
  const told = process.env[peersVariable]
  if (told === undefined) throw new Error('npm run test:interop builds the peers and starts these tests')
  return JSON.parse(told)
}
