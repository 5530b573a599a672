import { createWriteBehind } from '../lib/write-behind.ts'
import type { TokenStore } from '../store/token-store.ts'

/**
 * When tokens were last used, in memory: requests cost no write. The store is told once a minute, of all of them in one
 * transaction.
 */
export interface TokenUses {
  /** @param time milliseconds since 1970 */
  note(id: string, time: number): void
  /** Tells the store at once. Resolves when it knows, or has refused. */
  flush(): Promise<void>
}

/** How long uses are collected, in milliseconds. It bounds how late `lastUsedAt` is. */
const writeDelayMs = 60_000
/** Tokens in the buffer, of about 100 bytes each. A further one is noted when it is used after the next write. */
const maxWaiting = 10_000

export function createTokenUses(components: { store: Pick<TokenStore, 'used'> }): TokenUses {
  let waiting = new Map<string, number>()
  const writes = createWriteBehind({ delayMs: writeDelayMs }, { write, onError: () => undefined })

  /** An unavailable database is reported by the calls that need it: the uses of that minute are lost. */
  async function write(): Promise<void> {
    const times = waiting
    waiting = new Map()
    if (times.size > 0) await components.store.used(times)
  }

  return {
    note(id, time) {
      if (waiting.size >= maxWaiting && !waiting.has(id)) return
      waiting.set(id, time)
      writes.later()
    },
    flush: writes.flush,
  }
}
