import type { Connection } from '@libp2p/interface'
import { type BackOffRange, backOffMs } from '../../../lib/back-off.ts'

/**
 * Repeats the upgrade of a connection that stays on the relay. libp2p tries three times, in the first seconds: too early
 * when this node has not yet learnt where others see it, and once for all when the network was down meanwhile.
 */
export interface Attempts {
  /**
   * Identify, which a peer can push at any time, begins them; only the first time counts.
   * @param attempt is repeated until the connection has closed
   */
  begin(connection: Connection, attempt: () => void): void
}

/**
 * Half of the first pause is certain, and longer than the three attempts of libp2p, which take 5 s each. Both ends of a
 * busy machine can miss each other in all three, so the first pauses are little longer than that.
 */
const pauses: BackOffRange = { firstMs: 40_000, lastMs: 3_600_000 }

/**
 * Milliseconds between looks at a direct connection beside the relayed one: when its way is lost, the next attempt follows
 * soon. Until it has ended, this end would dial nothing, and the other one in vain.
 */
const lookMs = 5_000

export function createAttempts(components: {
  /** Whether there is a direct connection to the peer, which needs no other. */
  isDirect(peer: Connection['remotePeer']): boolean
  random?: () => number
}): Attempts {
  const { isDirect, random } = components
  const begun = new WeakSet<Connection>()

  return {
    begin(connection, attempt) {
      if (begun.has(connection)) return
      begun.add(connection)
      let failures = 0
      let timer: NodeJS.Timeout | undefined

      function wait(): void {
        timer = setTimeout(again, backOffMs(pauses, failures++, random)).unref()
      }

      function look(): void {
        timer = setTimeout(again, lookMs).unref()
      }

      function again(): void {
        if (connection.status !== 'open') return
        if (isDirect(connection.remotePeer)) {
          look()
          return
        }
        attempt()
        wait()
      }

      connection.addEventListener('close', () => clearTimeout(timer), { once: true })
      again()
    },
  }
}
