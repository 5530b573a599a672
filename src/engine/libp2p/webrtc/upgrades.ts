import type { Connection, IdentifyResult } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { type BackOffRange, backOffMs } from '../../../lib/back-off.ts'
import { createDeadline } from '../../../lib/deadline.ts'
import type { Limits } from '../../../limits.ts'
import { punchProtocol } from '../punching/punch-service.ts'
import { signallingProtocol } from './signals.ts'

/** Opens WebRTC connections to peers that this node reaches through a relay only. */
export interface Upgrades {
  /** A peer has said what it speaks. The end that has opened the relayed connection begins. */
  identified(result: Pick<IdentifyResult, 'connection' | 'protocols'>): void
  stop(): void
}

export type UpgradeLimits = Pick<Limits, 'dialTimeoutMs'>

/** Peers that punch holes get the time for three attempts first. */
const punchMs = 15_000
const pauses: BackOffRange = { firstMs: 5_000, lastMs: 3_600_000 }

export function createUpgrades(
  init: { limits: UpgradeLimits; waitMs?: number },
  components: {
    connectionsTo(peer: Connection['remotePeer']): Connection[]
    dial(address: Multiaddr, signal: AbortSignal): Promise<unknown>
    logger: Logger
    random?: () => number
  },
): Upgrades {
  const { limits, waitMs = punchMs } = init
  const { connectionsTo, dial, logger, random } = components
  const begun = new WeakSet<Connection>()
  let stopping = new AbortController()

  async function upgrade(relayed: Connection, stopped: AbortSignal): Promise<void> {
    const { remotePeer, remoteAddr } = relayed
    if (connectionsTo(remotePeer).some(({ direct, status }) => direct && status === 'open')) return
    using deadline = createDeadline(limits.dialTimeoutMs, [stopped])
    const address = remoteAddr.toString().replace('/p2p-circuit/', '/p2p-circuit/webrtc/')
    try {
      await dial(multiaddr(address), deadline.signal)
      logger.debug({ peerId: remotePeer.toString() }, 'a WebRTC connection takes the place of one through a relay')
    } catch (err) {
      logger.debug({ err, peerId: remotePeer.toString() }, 'found no path by WebRTC to a peer behind a relay')
    }
  }

  return {
    identified({ connection, protocols }) {
      const isOurs = connection.direction === 'outbound' && !connection.direct
      if (!isOurs || begun.has(connection) || !protocols.includes(signallingProtocol)) return
      begun.add(connection)
      const { signal } = stopping
      let failures = 0
      let timer: NodeJS.Timeout | undefined

      function again(ms: number): void {
        timer = setTimeout(() => {
          if (connection.status !== 'open' || signal.aborted) return
          void upgrade(connection, signal)
          again(backOffMs(pauses, failures++, random))
        }, ms).unref()
      }

      connection.addEventListener('close', () => clearTimeout(timer), { once: true })
      again(protocols.includes(punchProtocol) ? waitMs : 0)
    },
    stop() {
      stopping.abort(new Error('the node was stopped'))
      stopping = new AbortController()
    },
  }
}
