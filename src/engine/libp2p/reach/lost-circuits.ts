import { setTimeout as delay } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { type BackOffRange, backOffMs } from '../../../lib/back-off.ts'
import { createSemaphore } from '../../../lib/semaphore.ts'
import { peerIdOf } from '../../../model/peer.ts'
import { relayOf } from '../../dial/circuit-address.ts'

/**
 * Opens links again that have ended with the link to their relay, through other relays of the peer. A link whose relay
 * stays was ended by the peer. Pure: it owns no connection.
 */
export interface LostCircuits {
  start(): void
  /** The link to a peer through a relay has ended. */
  lost(peerId: string, relay: string): void
  stop(): Promise<void>
}

/** Before each attempt: the peer may have to find another relay first. */
const pauses: BackOffRange = { firstMs: 200, lastMs: 15_000 }
/** Attempts for one peer: a minute. */
export const maxAttempts = 10
/** Addresses of the peer that one attempt dials. */
const maxAddresses = 8
/** Peers that are dialled concurrently, and that are sought; those that are lost beyond are not. */
const maxConcurrent = 8
export const maxSought = 256

export function createLostCircuits(components: {
  isLinked(peerId: string): boolean
  /** Whether there is a link to the peer, or it was hung up on. */
  isSettled(peerId: string): boolean
  /** Whether this node itself may dial the peer now. */
  isWanted(peerId: string): boolean
  /** Known addresses of the peer. */
  known(peerId: string): Promise<string[]>
  /** Those that the DHT has. @throws Error when it has none */
  find(peerId: string, signal: AbortSignal): Promise<string[]>
  dial(address: string, signal: AbortSignal): Promise<unknown>
  logger: Logger
  random?: () => number
}): LostCircuits {
  const { isLinked, isSettled, isWanted, known, find, dial, logger, random } = components
  const sought = new Map<string, Promise<void>>()
  const places = createSemaphore({ max: maxConcurrent, maxWaiting: maxSought })
  let stopping = new AbortController()

  /** Circuit addresses, first those through linked relays. */
  async function addressesOf(peerId: string, isFirst: boolean, signal: AbortSignal): Promise<string[]> {
    const found = isFirst ? [] : await find(peerId, signal).catch(() => [])
    const through = [...new Set([...found, ...(await known(peerId))])].flatMap((address) => {
      const relay = relayOf(multiaddr(address))
      return relay === undefined ? [] : { address, isLinked: isLinked(peerIdOf(relay) ?? '') }
    })
    return through
      .toSorted((one, other) => Number(other.isLinked) - Number(one.isLinked))
      .map(({ address }) => address)
      .slice(0, maxAddresses)
  }

  async function attempt(peerId: string, isFirst: boolean, signal: AbortSignal): Promise<void> {
    using _place = await places.take(signal)
    for (const address of await addressesOf(peerId, isFirst, signal)) {
      if (signal.aborted || !isWanted(peerId)) return
      await dial(address, signal).catch((err: unknown) => logger.debug({ err, address }, 'a peer was not reached through another relay'))
    }
  }

  async function seek(peerId: string, relay: string, signal: AbortSignal): Promise<void> {
    for (let attempts = 0; attempts < maxAttempts; attempts++) {
      await delay(backOffMs(pauses, attempts, random), undefined, { signal, ref: false })
      // The two links do not end at the same moment.
      if (isSettled(peerId) || (attempts === 0 && isLinked(relay))) return
      await attempt(peerId, attempts === 0, signal)
    }
  }

  return {
    start() {
      stopping = new AbortController()
    },
    lost(peerId, relay) {
      const { signal } = stopping
      if (signal.aborted || sought.has(peerId) || sought.size >= maxSought) return
      const done = seek(peerId, relay, signal)
        .catch((err: unknown) => logger.debug({ err, peerId }, 'a peer behind a lost relay is no longer sought'))
        .finally(() => sought.delete(peerId))
      sought.set(peerId, done)
    },
    async stop() {
      stopping.abort(new Error('the node was stopped'))
      await Promise.all(sought.values())
    },
  }
}
