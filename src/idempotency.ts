/** Milliseconds that idempotency keys are kept. */
export const idempotencyWindowMs = 86_400_000

/** The key has published at another gateway of the same database since it was looked up; nothing was stored. */
export class KeyTaken extends Error {
  override readonly name = 'KeyTaken'
}
