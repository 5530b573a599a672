import type { P2PEngine } from '../engine/engine.ts'
import { createSerial, type Serial } from '../lib/serial.ts'
import type { PeerStore } from '../store/peer-store.ts'
import { scanPeers } from './known-peers.ts'

/** Keeps the engine's list of blocked peers equal to the store's. */
export interface Blocks {
  /** Blocks at the engine every peer that is blocked in the store, and unblocks all others. */
  follow(): Promise<void>
  /** Blocks or unblocks a peer at the engine. To be called from within `inTurn`. */
  set(peerId: string, isBlocked: boolean): Promise<void>
  /** Runs changes of blocks and records one at a time, so that store and engine cannot end up apart. */
  inTurn: Serial
}

export function createBlocks(components: { engine: Pick<P2PEngine, 'block' | 'unblock'>; store: Pick<PeerStore, 'list'> }): Blocks {
  const { engine, store } = components
  const inTurn = createSerial()
  /** Peer ids that are blocked at the engine. */
  const blocked = new Set<string>()

  async function set(peerId: string, isBlocked: boolean): Promise<void> {
    if (isBlocked) {
      await engine.block(peerId)
      blocked.add(peerId)
    } else {
      await engine.unblock(peerId)
      blocked.delete(peerId)
    }
  }

  function follow(): Promise<void> {
    return inTurn(async () => {
      const stored = new Set<string>()
      for await (const { peerId } of scanPeers(store, { blocked: true })) stored.add(peerId)
      for (const peerId of stored) if (!blocked.has(peerId)) await set(peerId, true)
      for (const peerId of blocked) if (!stored.has(peerId)) await set(peerId, false)
    })
  }

  return { follow, set, inTurn }
}
