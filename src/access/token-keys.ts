import { createHash } from 'node:crypto'
import { IdempotencyKeyReused } from '../errors.ts'
import type { Limits } from '../limits.ts'
import { idempotencyWindowMs, storedKey } from '../model/idempotency-key.ts'
import type { TokenInput } from '../model/token.ts'
import type { Store } from '../store/store.ts'
import type { CreatedToken, TokenKey } from '../store/token-store.ts'
import { createKeyRoom } from './key-room.ts'

/** The idempotency keys under which tokens are created. */
export interface TokenKeys {
  /** The key as the store has it, with the fingerprint of the request. */
  keyOf(input: TokenInput, idempotency: { scope: string; key: string }): TokenKey
  /** The token that the key has created, as it was then. @throws IdempotencyKeyReused when that was for another request */
  created(key: TokenKey): Promise<CreatedToken | undefined>
  /** Counts a new key. @throws IdempotencyKeyLimit, StoreUnavailable */
  take(idempotency: { scope: string }): Promise<void>
}

/** @param components.age age time, in milliseconds */
export function createTokenKeys(
  init: { limits: Pick<Limits, 'maxIdempotencyKeysPerToken'> },
  components: { store: Pick<Store, 'tokens' | 'log'>; age(): number },
): TokenKeys {
  const { store, age } = components
  const room = createKeyRoom(
    { max: init.limits.maxIdempotencyKeysPerToken },
    { count: (prefix, limit) => store.log.countKeys(prefix, limit), now: age },
  )

  return {
    keyOf(input, idempotency) {
      const createdAt = age()
      return { key: storedKey(idempotency), fingerprint: fingerprintOf(input), createdAt, since: createdAt - idempotencyWindowMs }
    },
    async created({ key, fingerprint, since }) {
      const earlier = await store.tokens.createdUnder(key, since)
      if (earlier !== undefined && Buffer.compare(earlier.fingerprint, fingerprint) !== 0)
        throw new IdempotencyKeyReused('This idempotency key was used for another token.')
      return earlier?.token
    },
    take: (idempotency) => room.take(idempotency),
  }
}

function fingerprintOf({ name, actions, topics, expiresAt }: TokenInput): Uint8Array {
  const asked = [name, actions, topics, expiresAt === undefined ? null : Date.parse(expiresAt)]
  return createHash('sha256').update(JSON.stringify(asked)).digest()
}
