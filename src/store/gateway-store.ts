import type { Registration } from '../model/validator.ts'

/** The gateways that use this database. */
export interface GatewayStore {
  /** Claims the key's peer id for the life of this process; false when another process holds it. */
  claim(peerId: string): Promise<boolean>
  /** Stores a gateway's description of itself. */
  note(gateway: GatewayRecord): Promise<void>
  /** Gateways seen at or after an age time, ordered by peer id. */
  list(query: { seenSince: number }): Promise<GatewayRecord[]>
  /** Removes gateways that were last seen before an age time. */
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
  /** Age time, in milliseconds. Each heartbeat has a later one. */
  startedAt: number
  seenAt: number
}
