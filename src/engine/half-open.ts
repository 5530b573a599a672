import type { Socket } from 'node:net'
import { createFairRate } from '../lib/fair-rate.ts'
import { createTokenBucket } from '../lib/token-bucket.ts'
import type { Limits } from '../limits.ts'
import { hostOf } from './dial/policy.ts'
import type { LimitsReached } from './limits-reached.ts'

/**
 * Places for inbound connections whose peers have not proved yet who they are. Anyone can open such a connection and
 * let it wait, and each handshake costs this node about a millisecond, so the addresses from which they come share the
 * places and the rate at which handshakes begin. A place is never held to the end of a timeout against others: when none
 * is left, the oldest connection of the address that has most gives way.
 */
export interface HalfOpen {
  /**
   * Takes a place until it is disposed of.
   * @param host key of the address that the connection comes from: `hostOf` it
   * @param giveUp ends the connection, called when its place goes to another one
   * @returns undefined when too many handshakes begin; the connection is to be refused
   */
  enter(host: string, giveUp: () => void): Disposable | undefined
}

/** Half-open connections in all, unless the node may have fewer links. While others have any, an address has at most a quarter. */
const maxHalfOpen = 200
export type HalfOpenInit = Pick<Limits, 'maxConnections' | 'maxHandshakesPerSecond'>

interface Place extends Disposable {
  giveUp(): void
}

export function createHalfOpen(
  init: HalfOpenInit,
  { reached, now = () => performance.now() }: { reached: Pick<LimitsReached, 'note'>; now?: () => number },
): HalfOpen {
  const { maxConnections, maxHandshakesPerSecond: perSecond } = init
  const max = Math.min(maxHalfOpen, maxConnections)
  const share = Math.max(1, Math.floor(max / 4))
  const rate = createFairRate({ perSecond })
  /** For all, also addresses without debt: however many of those come, debts stay few and are paid in time. */
  const all = createTokenBucket({ perSecond, burst: 2 * perSecond })
  /** The places of each address, the oldest first. */
  const hosts = new Map<string, Set<Place>>()
  let total = 0

  function most(): Set<Place> {
    return [...hosts.values()].reduce((one, other) => (other.size > one.size ? other : one))
  }

  /** Has the oldest connection of these end. */
  function giveWay(places: Set<Place>): void {
    const [oldest] = places
    oldest?.[Symbol.dispose]()
    oldest?.giveUp()
    reached.note('half_open')
  }

  function hold(host: string, giveUp: () => void): Place {
    const places = hosts.get(host) ?? new Set()
    const place: Place = {
      giveUp,
      [Symbol.dispose]() {
        if (!places.delete(place)) return
        total--
        if (places.size === 0) hosts.delete(host)
      },
    }
    hosts.set(host, places.add(place))
    total++
    return place
  }

  return {
    enter(host, giveUp) {
      const at = now()
      if (all.left(at) < 1 || rate.isOver(host, at)) {
        reached.note('half_open')
        return undefined
      }
      all.spend(at, 1)
      rate.spend(host, at, 1)
      const own = hosts.get(host)
      if (own !== undefined && own.size >= share && own.size < total) giveWay(own)
      else if (total >= max) giveWay(most())
      return hold(host, giveUp)
    },
  }
}

/** Takes a place for a socket until the socket ends. One that gets none is destroyed. */
export function enterSocket(halfOpen: HalfOpen, socket: Socket): Disposable | undefined {
  const place = halfOpen.enter(hostOf(socket.remoteAddress ?? ''), () => socket.destroy())
  if (place === undefined) socket.destroy()
  else socket.once('close', () => place[Symbol.dispose]())
  return place
}
