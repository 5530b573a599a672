import type { Startable } from '@libp2p/interface'
import type { KadDHT, KadDHTComponents } from '@libp2p/kad-dht'
import { backOffMs } from '../../../lib/back-off.ts'
import { tableOf } from './dht.ts'

/** Pauses before lookups: the first after a new peer, the last as kad-dht's own. */
const pauses = { firstMs: 2_000, lastMs: 300_000 }
/** Time of one lookup. */
const timeoutMs = 30_000

/**
 * Looks up the own id while the routing table holds fewer peers than a bucket, soon after each new peer and then less and
 * less often. kad-dht does it with its first peer, and then every five minutes: peers that came to a common peer at the
 * same time, or two networks that became one, would not find each other for these five minutes. go-libp2p's DHT does
 * the same (`fixLowPeers` of go-libp2p-kad-dht).
 */
export function selfLookups({ dht, peerId, logger }: Pick<KadDHTComponents, 'peerId' | 'logger'> & { dht?: KadDHT }): Startable {
  const log = logger.forComponent('peergate:dht')
  let timer: NodeJS.Timeout | undefined
  let lookups = 0

  function plan(): void {
    clearTimeout(timer)
    timer = setTimeout(() => void look(), backOffMs(pauses, lookups++)).unref()
  }

  async function look(): Promise<void> {
    if (dht === undefined || tableOf(dht).size >= dht.k) return
    plan()
    try {
      for await (const _ of dht.getClosestPeers(peerId.toMultihash().bytes, { signal: AbortSignal.timeout(timeoutMs) }));
    } catch (error) {
      log('lookup of the own id: %e', error)
    }
  }

  function onPeer(): void {
    lookups = 0
    plan()
  }

  return {
    start() {
      if (dht !== undefined) tableOf(dht).addEventListener('peer:add', onPeer)
    },
    stop() {
      if (dht !== undefined) tableOf(dht).removeEventListener('peer:add', onPeer)
      clearTimeout(timer)
    },
  }
}
