import { once } from 'node:events'
import type { Logger } from 'pino'
import { backOffMs } from '../../lib/back-off.ts'
import { createDeadline } from '../../lib/deadline.ts'
import { createSeldom, sayAgainMs } from '../../lib/seldom.ts'

/** Keeps links to configured peers: dials them at start, and again whenever the link is lost. */
export interface KeepConnected {
  /** Dials all configured peers. */
  start(): void
  /** The link to a peer has ended, or is wanted again: a configured peer is dialled. */
  lost(peerId: string): void
  stop(): Promise<void>
}

/**
 * Pauses between attempts. After an outage of some minutes peers are reconnected within seconds; peers that are away
 * for longer are dialled less often.
 */
const pauses = { soon: { firstMs: 500, lastMs: 4_000 }, later: { firstMs: 500, lastMs: 60_000 } }
/** Milliseconds until a peer counts as away for longer. */
const soonMs = 300_000

export interface KeptPeer {
  peerId: string
  multiaddrs: string[]
}

export function createKeepConnected(components: {
  peers: KeptPeer[]
  /** Whether there is a link to the peer, or it was hung up on. */
  isSettled(peerId: string): boolean
  /** Whether the peer may be dialled now. */
  isWanted(peerId: string): boolean
  dial(multiaddr: string, signal: AbortSignal): Promise<unknown>
  logger: Logger
}): KeepConnected {
  const { peers, isSettled, isWanted, dial, logger } = components
  const running = new Map<string, Promise<void>>()
  const isDue = createSeldom({ everyMs: sayAgainMs })
  let stopped = new AbortController()

  /** Limits log lines: peers are dialled much more often than is worth logging. */
  function tell(multiaddr: string, err: unknown): void {
    logger[isDue(multiaddr) ? 'warn' : 'debug']({ err, multiaddr }, 'a configured peer could not be dialled')
  }

  async function connect({ peerId, multiaddrs }: KeptPeer, signal: AbortSignal): Promise<void> {
    const since = performance.now()
    for (let failures = 0; !signal.aborted && !isSettled(peerId); failures++) {
      for (const multiaddr of multiaddrs) {
        if (signal.aborted || !isWanted(peerId)) break
        await dial(multiaddr, signal).catch((err: unknown) => tell(multiaddr, err))
      }
      const range = performance.now() - since < soonMs ? pauses.soon : pauses.later
      if (!isSettled(peerId)) await pause(backOffMs(range, failures), signal)
    }
  }

  function keep(peer: KeptPeer): void {
    const { signal } = stopped
    if (signal.aborted || running.has(peer.peerId)) return
    running.set(
      peer.peerId,
      connect(peer, signal).finally(() => running.delete(peer.peerId)),
    )
  }

  return {
    start() {
      stopped = new AbortController()
      for (const peer of peers) keep(peer)
    },
    lost(peerId) {
      const peer = peers.find((candidate) => candidate.peerId === peerId)
      if (peer !== undefined) keep(peer)
    },
    async stop() {
      stopped.abort()
      await Promise.all(running.values())
    },
  }
}

/** Resolves after the delay, or at once when the signal fires. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  using deadline = createDeadline(ms, [signal])
  if (!deadline.signal.aborted) await once(deadline.signal, 'abort')
}
