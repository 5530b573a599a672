import { BoundedMap } from '../lib/bounded-map.ts'

/** The bytes that each remote author may add to each topic within an hour. */
export interface AuthorQuota {
  /** Counts a message. False when it exceeds the author's quota. */
  take(author: string, topic: string, bytes: number): boolean
  /** Takes a counted message off the quota again. */
  giveBack(author: string, topic: string, bytes: number): void
}

const hourMs = 3_600_000
/** Maximum number of (author, topic) pairs counted. The pair whose hour began first is evicted. */
const maxPairs = 20_000

export function createAuthorQuota(init: { maxAuthorBytesPerHour: number }, components: { now(): number }): AuthorQuota {
  const pairs = new BoundedMap<string, { since: number; bytes: number }>({ max: maxPairs })
  return {
    take(author, topic, bytes) {
      const key = `${author} ${topic}`
      const at = components.now()
      let pair = pairs.get(key)
      if (pair === undefined || pair.since <= at - hourMs) {
        pair = { since: at, bytes: 0 }
        pairs.set(key, pair)
      }
      if (pair.bytes + bytes > init.maxAuthorBytesPerHour) return false
      pair.bytes += bytes
      return true
    },
    giveBack(author, topic, bytes) {
      const pair = pairs.get(`${author} ${topic}`)
      if (pair !== undefined) pair.bytes = Math.max(0, pair.bytes - bytes)
    },
  }
}
