/**
 * Which gateways of a database live, as one of them observes it. A gateway whose beat has changed since the last reading lives; how long it
 * has been silent is counted by the monotonic clock of the observer. So no step of a clock makes a live gateway look gone, or a dead one live.
 */
export interface Heartbeats {
  /** Takes what the database has now of every gateway. */
  observe(rows: Heartbeat[]): void
  /** Milliseconds since the beat of this gateway changed; Infinity for one that was not in the last reading. */
  silence(peerId: string): number
}

/** `seenAt`: the age time that the gateway gave its last beat. Each beat has another one. */
export interface Heartbeat {
  peerId: string
  seenAt: number
}

/** @param components.monotonic milliseconds; the process's own by default @param components.age the log's age time, in milliseconds */
export function createHeartbeats(components: { age(): number; monotonic?: () => number }): Heartbeats {
  const { age, monotonic = () => performance.now() } = components
  /** The last beat that was read of each, and when it came, by the monotonic clock. */
  let last: Map<string, { seenAt: number; at: number }> | undefined

  /** At the first reading only the log's clock tells how old a beat is; one from the future is as old as it is far off. */
  function cameAt(seenAt: number): number {
    return last === undefined ? monotonic() - Math.abs(age() - seenAt) : monotonic()
  }

  return {
    observe(rows) {
      const read = rows.map(({ peerId, seenAt }) => {
        const known = last?.get(peerId)
        return [peerId, known?.seenAt === seenAt ? known : { seenAt, at: cameAt(seenAt) }] as const
      })
      last = new Map(read)
    },
    silence(peerId) {
      const known = last?.get(peerId)
      return known === undefined ? Number.POSITIVE_INFINITY : monotonic() - known.at
    },
  }
}
