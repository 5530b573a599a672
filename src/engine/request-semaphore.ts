import { createShares, type Shares } from '../lib/shares.ts'
import type { Asker } from './asker.ts'
import type { HandleOptions } from './engine.ts'

/**
 * A counting semaphore for the peer requests of one handler, and for the bytes of their bodies. A request counts from
 * the moment its body is complete until the handler settles. A single active peer may use the handler's whole limit.
 * All peers of one address (for IPv6 a /64) may use a third more, and all addresses together a third more than that. A
 * holder has a quarter while others hold any, and the last quarter is reserved for holders without any. So peers with
 * one request each leave room for the next peer, and many peers of one address leave room for another address.
 */
export interface RequestSemaphore {
  /** Returns undefined when the limit of the peer, its address, or all peers is reached. */
  take(from: Asker, bytes: number): Disposable | undefined
}

export type RequestSemaphoreInit = Pick<HandleOptions, 'maxConcurrent' | 'maxConcurrentBytes' | 'maxRequestBytes'>

/** A resource that holders share: the peers of one address, or all addresses. */
interface Level {
  readonly places: Shares
  take(holder: string, bytes: number): Disposable | undefined
}

export function createRequestSemaphore(options: RequestSemaphoreInit, components: { onRefused?: () => void } = {}): RequestSemaphore {
  const { maxConcurrent, maxConcurrentBytes = Number.MAX_SAFE_INTEGER, maxRequestBytes } = options
  const { onRefused = () => undefined } = components
  const ofAddress = { maxConcurrent: withThird(maxConcurrent), maxConcurrentBytes: withThird(maxConcurrentBytes), maxRequestBytes }
  const addresses = createLevel(ofAddress)
  /** Peers of each address with active requests. */
  const peers = new Map<string, Level>()

  function take({ peerId, host }: Asker, bytes: number): Disposable | undefined {
    using taken = new DisposableStack()
    const level = peers.get(host) ?? createLevel({ maxConcurrent, maxConcurrentBytes, maxRequestBytes })
    const ofPeer = level.take(peerId, bytes)
    if (ofPeer === undefined) return undefined
    taken.use(ofPeer)
    const ofHost = addresses.take(host, bytes)
    if (ofHost === undefined) return undefined
    taken.use(ofHost)
    peers.set(host, level)
    const held = taken.move()
    return {
      [Symbol.dispose]() {
        held.dispose()
        if (level.places.total === 0 && peers.get(host) === level) peers.delete(host)
      },
    }
  }

  return {
    take(from, bytes) {
      const taken = take(from, bytes)
      if (taken === undefined) onRefused()
      return taken
    },
  }
}

/** @param ofOne the limits of a single active holder */
function createLevel(ofOne: Required<RequestSemaphoreInit>): Level {
  const inAll = withThird(ofOne.maxConcurrent)
  const reserved = Math.floor(inAll / 4)
  const places = createShares({ max: inAll })
  const maxBytes = withThird(ofOne.maxConcurrentBytes)
  // A quarter smaller than one body would never admit a large body.
  const bytesOf = createShares({
    max: maxBytes,
    ...(maxBytes / 4 < ofOne.maxRequestBytes ? { maxPerHolder: ofOne.maxConcurrentBytes } : {}),
  })

  return {
    places,
    take(holder, bytes) {
      if (places.held(holder) > 0 && places.total >= inAll - reserved) return undefined
      using taken = new DisposableStack()
      const place = places.take(holder)
      if (place === undefined) return undefined
      taken.use(place)
      const held = bytesOf.take(holder, bytes)
      if (held === undefined) return undefined
      taken.use(held)
      return taken.move()
    },
  }
}

function withThird(count: number): number {
  return count + Math.max(1, Math.floor(count / 3))
}
