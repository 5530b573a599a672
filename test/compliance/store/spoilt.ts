/** Columns of a message to damage: bytes are changed, text and numbers are replaced. */
export type Spoilt =
  | {
      message: string
      column?: 'data' | 'signature' | 'author' | 'topic' | 'id' | 'seq' | 'receivedAt' | 'firstSeenAt' | 'storedAt' | 'sum'
      text?: string
    }
  | { delivery: string }
