import type { P2PEngine } from '../engine/engine.ts'
import { DhtDisabled, DhtUnavailable, DialFailed, type ErrorDetail, PeerBlocked, PeerNotFound } from '../errors.ts'
import { createDeadline } from '../lib/deadline.ts'
import { type KnownAddress, parseAddress } from '../model/peer.ts'
import type { PeerStore } from '../store/peer-store.ts'
import { sightingOf, withPeerId } from './peer-view.ts'
import type { Sightings } from './sightings.ts'
import { within } from './within.ts'

/** Dials on request, by address or by peer id, and notes the peers that were reached. */
export interface PeerDials {
  /**
   * Returns the peer id.
   * @throws InvalidMultiaddr, AddressUnsupported, DialForbidden, SelfDial, PeerBlocked, DialFailed
   */
  dial(multiaddr: string, options: { signal: AbortSignal; asker?: string | undefined }): Promise<string>
  /**
   * Tries the stored addresses of a peer, then those that the DHT finds, until one answers. The caller checks that no
   * link exists.
   * @throws PeerNotFound when no address is known, PeerBlocked, DialFailed with the outcome of each attempt
   */
  dialPeer(peerId: string, options: { signal: AbortSignal; isAsked: boolean }): Promise<void>
}

export interface PeerDialsComponents {
  engine: Pick<P2PEngine, 'dial' | 'routing'>
  store: Pick<PeerStore, 'get'>
  sightings: Sightings
  now: () => number
}

interface AnyOptions {
  signal: AbortSignal
  isAsked: boolean
  isRemembered?: boolean
}

export function createPeerDials(init: { dialTimeoutMs: number }, components: PeerDialsComponents): PeerDials {
  const { dialTimeoutMs } = init
  const { engine, store, sightings, now } = components

  /**
   * Returns whether one of the addresses led to the peer; adds failures to `attempts`.
   * @throws PeerBlocked, the signal's reason
   */
  async function dialAny(addresses: KnownAddress[], attempts: ErrorDetail[], options: AnyOptions): Promise<boolean> {
    const { signal } = options
    for (const { multiaddr, source } of addresses) {
      try {
        using deadline = createDeadline(dialTimeoutMs, [signal])
        const peer = await engine.dial(multiaddr, { ...options, signal: deadline.signal, source })
        sightings.note(sightingOf(peer, now()))
        return true
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof PeerBlocked) throw error
        attempts.push({ path: '', message: error instanceof Error ? error.message : String(error), multiaddr })
      }
    }
    return false
  }

  async function addressesInDht(peerId: string, signal: AbortSignal): Promise<string[]> {
    try {
      return (await engine.routing.findPeer(peerId, { signal })).multiaddrs
    } catch (error) {
      if ([PeerNotFound, DhtUnavailable, DhtDisabled].some((kind) => error instanceof kind)) return []
      throw error
    }
  }

  return {
    async dial(multiaddr, { signal, asker }) {
      const address = parseAddress(multiaddr).toString()
      const late = () => new DialFailed(`No answer within ${dialTimeoutMs} ms.`)
      const peer = await within(dialTimeoutMs, signal, late, (both) => engine.dial(multiaddr, { signal: both, source: 'rest', asker }))
      sightings.note(sightingOf(peer, now()))
      // An existing link may lead to another address of the peer. Then this dial says nothing about `address`.
      if (peer.isThere) sightings.note({ peerId: peer.peerId, multiaddrs: withPeerId(address, peer.peerId), source: 'rest', seenAt: now() })
      return peer.peerId
    },
    async dialPeer(peerId, { signal, isAsked }) {
      const attempts: ErrorDetail[] = []
      await sightings.flush()
      const stored = (await store.get(peerId))?.addresses ?? []
      if (await dialAny(stored, attempts, { signal, isAsked, isRemembered: true })) return
      const found = await addressesInDht(peerId, signal)
      const tried = new Set(stored.map(({ multiaddr }) => multiaddr))
      const fresh = found.filter((multiaddr) => !tried.has(multiaddr)).map((multiaddr) => ({ multiaddr, source: 'learnt' as const }))
      if (await dialAny(fresh, attempts, { signal, isAsked })) return
      if (attempts.length === 0) throw new PeerNotFound('No address of this peer is known.')
      throw new DialFailed('The peer could not be dialled at any of its addresses.', { errors: attempts })
    },
  }
}
