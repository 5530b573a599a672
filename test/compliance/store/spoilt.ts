/**
 * Columns of a message to damage: bytes are changed, text and numbers are replaced. A consumer is left as by a crash in
 * the middle of its removal: it is gone, and its items are there.
 */
export type Spoilt =
  | {
      message: string
      column?: 'data' | 'signature' | 'author' | 'topic' | 'id' | 'seq' | 'receivedAt' | 'firstSeenAt' | 'storedAt' | 'sum'
      text?: string
    }
  | { delivery: string }
  | { consumer: string }
