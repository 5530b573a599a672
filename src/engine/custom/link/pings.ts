import { randomBytes } from 'node:crypto'

/** The pings of one link, each with a nonce of 8 random bytes. */
export interface Pings {
  /** Measures one round trip, in milliseconds. @throws the signal's reason, or Error when the link is lost */
  ping(signal: AbortSignal): Promise<number>
  /** The last measured round trip, in milliseconds; null before the first. */
  readonly latencyMs: number | null
  /** Takes a pong. Returns false when no ping waits for it. */
  answered(nonce: Buffer): boolean
}

export function createPings(components: { send(nonce: Buffer): void; lost: AbortSignal }): Pings {
  const { send, lost } = components
  const waiting = new Map<string, () => void>()
  let latencyMs: number | null = null

  return {
    async ping(signal) {
      const nonce = randomBytes(8)
      const answer = Promise.withResolvers<number>()
      const giveUp = () => answer.reject(signal.reason ?? new Error('the link was closed'))
      const onLost = () => answer.reject(new Error('the link was closed'))
      const sent = performance.now()
      const name = nonce.toString('hex')
      waiting.set(name, () => answer.resolve(performance.now() - sent))
      signal.addEventListener('abort', giveUp)
      lost.addEventListener('abort', onLost)
      if (signal.aborted) giveUp()
      if (lost.aborted) onLost()
      send(nonce)
      try {
        latencyMs = await answer.promise
        return latencyMs
      } finally {
        waiting.delete(name)
        signal.removeEventListener('abort', giveUp)
        lost.removeEventListener('abort', onLost)
      }
    },
    get latencyMs() {
      return latencyMs
    },
    answered(nonce) {
      const answer = waiting.get(nonce.toString('hex'))
      answer?.()
      return answer !== undefined
    },
  }
}
