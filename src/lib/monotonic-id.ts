import { randomBytes } from 'node:crypto'

/** Ids that rise with time and never repeat in this process; random digits set them apart from other gateways' ids. */
export function createMonotonicIds(components: { now(): number }): () => string {
  let last = 0
  return () => {
    last = Math.max(last + 1, components.now() * 1_000)
    return `${last.toString(36).padStart(12, '0')}${randomBytes(4).toString('hex')}`
  }
}
