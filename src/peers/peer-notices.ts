import type { Logger } from 'pino'
import type { ConnectedPeer } from '../engine/engine.ts'
import { createSerial } from '../lib/serial.ts'
import { createWatchers } from '../lib/watchers.ts'
import type { Peer } from '../model/peer.ts'

export type PeerNotice = 'connect' | 'update' | 'disconnect'

/** Tells watchers about events of peers, in order. */
export interface PeerNotices {
  tell(event: PeerNotice, peerId: string, connected?: ConnectedPeer): void
  /** Calls the listener for each notice. Returns a function that ends it. */
  watch(listener: (event: PeerNotice, peer: Peer) => void): () => void
}

/** Notices in preparation. Notices beyond it are dropped, since a watcher can read the peers at any time. */
const maxNotices = 1_000

export function createPeerNotices(components: {
  /** The peer as clients see it. */
  view(peerId: string, connected: ConnectedPeer | undefined): Promise<Peer>
  logger: Logger
}): PeerNotices {
  const { view, logger } = components
  const watchers = createWatchers<[event: PeerNotice, peer: Peer]>()
  const inTurn = createSerial()
  let notices = 0

  return {
    tell(event, peerId, connected) {
      if (watchers.size === 0 || notices >= maxNotices) return
      notices++
      inTurn(async () => {
        watchers.tell(event, await view(peerId, connected))
      })
        .catch((error: unknown) => logger.warn({ err: error }, 'a notice about a peer was lost'))
        .finally(() => notices--)
    },
    watch: watchers.watch,
  }
}
