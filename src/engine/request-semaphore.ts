import { createShares, type Shares } from '../lib/shares.ts'
import type { Asker } from './asker.ts'
import type { HandleOptions } from './engine.ts'

/**
 * The requests of peers that one handler works on, and the bytes of their bodies: each from when its body is there until the handler is done
 * with it. One peer alone has what the handler takes at once. All peers of one address (of IPv6 a /64) have a third more, and all addresses
 * together a third more than that: one has a quarter while others have any, and the last quarter is for those that have none. So many peers
 * with one request each leave room for the next one, and many peers of one address for another address.
 */
export interface RequestSemaphore {
  /** Undefined when the peer, its address, or all together have as much as they may. */
  take(from: Asker, bytes: number): Disposable | undefined
}

export type RequestSemaphoreInit = Pick<HandleOptions, 'maxConcurrent' | 'maxConcurrentBytes' | 'maxRequestBytes'>

/** What holders share: of one address its peers, of all the addresses. */
interface Level {
  readonly places: Shares
  take(holder: string, bytes: number): Disposable | undefined
}

export function createRequestSemaphore(options: RequestSemaphoreInit, components: { onRefused?: () => void } = {}): RequestSemaphore {
  const { maxConcurrent, maxConcurrentBytes = Number.MAX_SAFE_INTEGER, maxRequestBytes } = options
  const { onRefused = () => undefined } = components
  const ofAddress = { maxConcurrent: withThird(maxConcurrent), maxConcurrentBytes: withThird(maxConcurrentBytes), maxRequestBytes }
  const addresses = createLevel(ofAddress)
  /** The peers of each address that has any request. */
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

/** @param ofOne what one holder alone has */
function createLevel(ofOne: Required<RequestSemaphoreInit>): Level {
  const inAll = withThird(ofOne.maxConcurrent)
  const reserved = Math.floor(inAll / 4)
  const places = createShares({ max: inAll })
  const maxBytes = withThird(ofOne.maxConcurrentBytes)
  // A quarter that is too small for one body would shut large ones out.
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
