/**
 * The liveness of the gateways of a database, as one of them observes it. A gateway whose beat has changed since the
 * last reading is alive. Its silence is measured by the observer's monotonic clock, so a step of a wall clock never
 * makes a live gateway look gone or a dead one alive.
 */
export interface Heartbeats {
  /** Takes the current beats of all gateways from the database. */
  observe(rows: Heartbeat[]): void
  /** Milliseconds since the beat of this gateway changed; Infinity for one that was not in the last reading. */
  silence(peerId: string): number
}

/** `seenAt`: the age time of the gateway's last beat. It differs from beat to beat. */
export interface Heartbeat {
  peerId: string
  seenAt: number
}

/**
 * @param components.monotonic milliseconds; default that of the process
 * @param components.age the log's age time, in milliseconds
 */
export function createHeartbeats(components: { age(): number; monotonic?: () => number }): Heartbeats {
  const { age, monotonic = () => performance.now() } = components
  /** The last beat of each gateway, and its time of arrival by the monotonic clock. */
  let last: Map<string, { seenAt: number; at: number }> | undefined

  /** At the first reading the age of a beat is known only by age time. A beat from the future counts as equally old. */
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
