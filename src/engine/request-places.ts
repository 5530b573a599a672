import { createShares } from '../lib/shares.ts'
import type { HandleOptions } from './engine.ts'

/**
 * The requests of peers that one handler works on, and the bytes of their bodies: each from when its body is there until the handler is done
 * with it. One peer alone has what the handler takes at once. There is a third more in all, of which one peer has a quarter while others have
 * any, and the last quarter is for peers that have none: many peers with one request each leave room for the next one.
 */
export interface RequestPlaces {
  /** Undefined when the peer, or all together, have as much as they may. */
  take(from: string, bytes: number): Disposable | undefined
}

export function createRequestPlaces(
  options: Pick<HandleOptions, 'maxConcurrent' | 'maxConcurrentBytes' | 'maxRequestBytes'>,
): RequestPlaces {
  const { maxConcurrent, maxConcurrentBytes = Number.MAX_SAFE_INTEGER, maxRequestBytes } = options
  const inAll = withThird(maxConcurrent)
  const reserved = Math.floor(inAll / 4)
  const places = createShares({ max: inAll })
  const maxBytes = withThird(maxConcurrentBytes)
  // A quarter that is too small for one body would shut large ones out.
  const bytesOf = createShares({ max: maxBytes, ...(maxBytes / 4 < maxRequestBytes ? { maxPerHolder: maxConcurrentBytes } : {}) })

  return {
    take(from, bytes) {
      if (places.held(from) > 0 && places.total >= inAll - reserved) return undefined
      using taken = new DisposableStack()
      const place = places.take(from)
      if (place === undefined) return undefined
      taken.use(place)
      const held = bytesOf.take(from, bytes)
      if (held === undefined) return undefined
      taken.use(held)
      return taken.move()
    },
  }
}

function withThird(count: number): number {
  return count + Math.max(1, Math.floor(count / 3))
}
