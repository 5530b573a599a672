import type { KeyedMessages } from '../log-store.ts'

/** The idempotency keys of an append, as arrays of the session's function. */
export function packKeys(keyed: KeyedMessages[]): unknown[] {
  return [
    keyed.map(({ key }) => key),
    keyed.map(({ fingerprint }) => Buffer.from(fingerprint).toString('hex')),
    keyed.map(({ first }) => first),
    keyed.map(({ count }) => count),
    keyed.map(({ createdAt }) => createdAt),
    keyed.map(({ since }) => since),
  ]
}

export function isAmong(key: string, keys: unknown): boolean {
  return Array.isArray(keys) && keys.includes(key)
}
