import { createLru } from '../../lib/lru.ts'
import { createShares } from '../../lib/shares.ts'
import { createTokenBucket, type TokenBucket } from '../../lib/token-bucket.ts'

/**
 * What the words of others can make this node dial, whatever peer ids they name: other peers, the DHT, announcements on the local network.
 * A dial that reaches a peer costs nothing; one that does not is paid by who told the address, by the host that it leads to, and by that
 * host's port. So nobody can have this node knock at a neighbour's services, or look for open ports, more than a few times.
 */
export interface DialBudget {
  /**
   * A dial of an address that these hosts have told; nobody known when there are none. Answers why it can't be made now. When no socket
   * was opened it costs nothing either, unless a name is to be looked up.
   */
  begin(tellers: string[], options: { isName: boolean }): ToldDial | string
}

export interface ToldDial extends Disposable {
  /** Why one socket can't be opened now; undefined when it may, and then `reached` or `failed` follows. */
  refusal(target: Target): string | undefined
  reached(target: Target): void
  failed(target: Target): void
}

/** Where a socket goes: a host, and a port of it or what else names a door of it. */
export interface Target {
  host: string
  door: string
}

/**
 * Failed dials on the word of one host, on that of nobody known (found in the DHT, remembered), and in all to where no peer has ever been
 * reached.
 */
const ofTeller = { perSecond: 0.5, burst: 32 }
const ofNobody = { perSecond: 1, burst: 64 }
const ofAll = { perSecond: 4, burst: 128 }
/** Failed dials to one host, at doors where no peer has ever been reached: two in a minute after the first. */
const ofHost = { perSecond: 1 / 30, burst: 16 }
/** Milliseconds until a door is tried again, doubled with each failure from the first to the last. */
const firstPauseMs = 1_000
const lastPauseMs = 300_000
/** Dials under way at once, shared by those who told the addresses. */
const maxDials = 32
/** Hosts, and doors, that are remembered, some 200 bytes each; those dialled longest ago are forgotten first. */
const maxTellers = 1_000
const maxHosts = 4_000
const maxDoors = 4_000

const nobody = ''

interface Door {
  failures: number
  notBefore: number
  /** A peer has been reached here. */
  isKnown: boolean
}

export function createDialBudget(components: { now?: () => number; onRefused?: () => void } = {}): DialBudget {
  const { now = () => performance.now(), onRefused = () => undefined } = components
  const places = createShares({ max: maxDials })
  const all = createTokenBucket(ofAll)
  const unknown = createTokenBucket(ofNobody)
  const tellers = createLru({ max: maxTellers }, () => createTokenBucket(ofTeller))
  const hosts = createLru({ max: maxHosts }, () => createTokenBucket(ofHost))
  const doors = createLru({ max: maxDoors }, (): Door => ({ failures: 0, notBefore: 0, isKnown: false }))

  function bucketOf(teller: string): TokenBucket {
    return teller === nobody ? unknown : tellers(teller)
  }

  function failed({ door }: Target): void {
    const there = doors(door)
    there.notBefore = now() + Math.min(firstPauseMs * 2 ** there.failures++, lastPauseMs)
  }

  function refuse(reason: string): string {
    onRefused()
    return reason
  }

  return {
    begin(told, { isName }) {
      // Whoever of them has something left: nobody can use up what another's word is good for.
      const teller = (told.length === 0 ? [nobody] : told).find((host) => bucketOf(host).left(now()) >= 1)
      if (teller === undefined) return refuse('too many recent dials of learnt addresses have failed')
      const place = places.take(teller)
      if (place === undefined) return refuse('too many dials of learnt addresses are in progress')
      const paid = bucketOf(teller)
      paid.spend(now(), 1)
      let isUsed = isName
      return {
        refusal({ host, door }) {
          const { notBefore, isKnown } = doors(door)
          if (notBefore > now())
            return refuse(`no peer answered there ${isKnown ? 'recently' : 'so far'}, and the next attempt is not due yet`)
          if (!isKnown) {
            if (all.left(now()) < 1) return refuse('too many recent dials of learnt addresses have failed')
            if (!hosts(host).take(now())) return refuse('too many recent dials to this host have failed')
            all.spend(now(), 1)
          }
          isUsed = true
          return undefined
        },
        reached({ host, door }) {
          const there = doors(door)
          if (!there.isKnown) for (const bucket of [hosts(host), all]) bucket.spend(now(), -1)
          Object.assign(there, { failures: 0, notBefore: 0, isKnown: true })
          isUsed = false
        },
        failed,
        [Symbol.dispose]() {
          if (!isUsed) paid.spend(now(), -1)
          place[Symbol.dispose]()
        },
      }
    },
  }
}
