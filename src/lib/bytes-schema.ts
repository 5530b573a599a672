import { z } from 'zod'

/** A byte string of decoded CBOR, or a binary column of a database, of `min` to `max` bytes. */
export function bytes({ min = 0, max = Number.POSITIVE_INFINITY }: { min?: number; max?: number } = {}) {
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length >= min && value.length <= max)
}
