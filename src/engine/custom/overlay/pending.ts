import type { Envelope } from './overlay.ts'

/** A message that waits for its verdict. */
export interface PendingMessage {
  readonly envelope: Envelope
  readonly from: string
  readonly hops: number
  readonly spare: boolean
  /** Neighbours that have sent or announced it meanwhile, and so need no copy. */
  readonly holders: Set<string>
  /** Neighbours that have sent further copies. They are pruned once the verdict proves the first copy genuine. */
  readonly senders: Set<string>
}
