import type { Logger } from 'pino'
import { createSeldom, sayAgainMs } from '../../lib/seldom.ts'

/** A peer that the configuration names: dialled at start, and again whenever the link is gone. */
export interface KeepConnected {
  /** Begins to dial. */
  start(): void
  /** The link to a peer is gone, or wanted again: one that is kept is dialled. */
  lost(peerId: string): void
  stop(): Promise<void>
}

/**
 * Between attempts, in milliseconds: doubled from the first to the last, each spread over half to one and a half of it. A network that was
 * away for some minutes is found again within seconds; who is away for longer is asked less often.
 */
const firstDelayMs = 500
const lastDelayMs = { soon: 4_000, later: 60_000 }
const soonMs = 300_000

export interface KeptPeer {
  peerId: string
  multiaddrs: string[]
}

export function createKeepConnected(components: {
  peers: KeptPeer[]
  /** Whether there is a link to the peer, or somebody wanted none. */
  isSettled(peerId: string): boolean
  /** Whether it may be dialled now. */
  isWanted(peerId: string): boolean
  dial(multiaddr: string, signal: AbortSignal): Promise<unknown>
  logger: Logger
}): KeepConnected {
  const { peers, isSettled, isWanted, dial, logger } = components
  const running = new Map<string, Promise<void>>()
  const isDue = createSeldom({ everyMs: sayAgainMs })
  let stopped = new AbortController()

  /** A peer is tried much more often than is worth a line in the log. */
  function tell(multiaddr: string, err: unknown): void {
    logger[isDue(multiaddr) ? 'warn' : 'debug']({ err, multiaddr }, 'a configured peer could not be dialled')
  }

  async function connect({ peerId, multiaddrs }: KeptPeer, signal: AbortSignal): Promise<void> {
    const since = performance.now()
    const last = () => (performance.now() - since < soonMs ? lastDelayMs.soon : lastDelayMs.later)
    for (let delay = firstDelayMs; !signal.aborted && !isSettled(peerId); delay = Math.min(delay * 2, last())) {
      for (const multiaddr of multiaddrs) {
        if (signal.aborted || !isWanted(peerId)) break
        await dial(multiaddr, signal).catch((err: unknown) => tell(multiaddr, err))
      }
      if (!isSettled(peerId)) await pause(delay * (0.5 + Math.random()), signal)
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

/** Resolves after the time, or at once when the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done(): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}
