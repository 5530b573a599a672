import type { Registration } from '../model/validator.ts'

/** The gateways of this database. */
export interface GatewayStore {
  /** Holds the key's peer id for this process, as long as it lives; answers false when another process has it. */
  claim(peerId: string): Promise<boolean>
  /** Notes what a gateway says of itself. */
  note(gateway: GatewayRecord): Promise<void>
  /** Those that were seen at or after an age time, by peer id. */
  list(query: { seenSince: number }): Promise<GatewayRecord[]>
  /** Removes what was not seen since an age time. */
  forget(query: { seenBefore: number }): Promise<void>
}

export interface GatewayRecord {
  peerId: string
  about: {
    engine: string
    version: string
    multiaddrs: string[]
    state: string
    services?: string[] | undefined
    judged?: Registration[] | undefined
  }
  /** Age time, in milliseconds. Each beat has a later one. */
  startedAt: number
  seenAt: number
}
