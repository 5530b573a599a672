import { backOffMs } from '../../lib/back-off.ts'
import { createLru } from '../../lib/lru.ts'
import { createShares } from '../../lib/shares.ts'
import { createTokenBucket, type TokenBucket } from '../../lib/token-bucket.ts'

/**
 * Limits the dials that others can cause, whatever peer ids they name: other peers, the DHT, and announcements on the
 * local network. A dial that reaches a peer is free; a failed one is charged to the teller, to the target host, and to
 * its port. So a remote peer cannot make this node probe another host's services or scan its ports more than a few
 * times.
 */
export interface DialBudget {
  /**
   * Begins a dial of an address that these hosts told; no hosts when the teller is unknown. Returns the reason when it
   * cannot be made now. A dial that opens no socket is free, unless a name has to be resolved.
   */
  begin(tellers: string[], options: DialOptions & { isName: boolean }): ToldDial | string
}

export interface DialOptions {
  /**
   * The peer dials this node at the same moment, to punch a hole. The pause of a door does not apply: the two ends have
   * failed there at different times, and neither reaches the other while only one of them dials.
   */
  isMutual?: boolean
}

export interface ToldDial extends Disposable {
  /** Why a socket cannot be opened now; undefined when it may, and then `reached` or `failed` must follow. */
  refusal(target: Target): string | undefined
  reached(target: Target): void
  failed(target: Target): void
}

/** The target of a socket: a host, and a port or other door of it. */
export interface Target {
  host: string
  door: string
}

/**
 * Budgets of failed dials: for one teller, for unknown tellers (found in the DHT, remembered), and in total to doors
 * where no peer has ever been reached.
 */
const ofTeller = { perSecond: 0.5, burst: 32 }
const ofNobody = { perSecond: 1, burst: 64 }
const ofAll = { perSecond: 4, burst: 128 }
/** Failed dials to one host, at doors where no peer has ever been reached: two per minute after the burst. */
const ofHost = { perSecond: 1 / 30, burst: 16 }
/** Until a door is tried again. */
const pauses = { firstMs: 1_000, lastMs: 300_000 }
/** Maximum concurrent dials, shared by tellers. */
const maxDials = 32
/** Maximum remembered tellers, hosts and doors, some 200 bytes each; the least recently dialled are forgotten first. */
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

export function createDialBudget(components: { now?: () => number; random?: () => number; onRefused?: () => void } = {}): DialBudget {
  const { now = () => performance.now(), random, onRefused = () => undefined } = components
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
    there.notBefore = now() + backOffMs(pauses, there.failures++, random)
  }

  function refuse(reason: string): string {
    onRefused()
    return reason
  }

  return {
    begin(told, { isName, isMutual = false }) {
      // The first teller with budget left pays, so that no teller can exhaust the budget of another.
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
          if (notBefore > now() && !isMutual)
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
        failed(target) {
          if (!isMutual) failed(target)
        },
        [Symbol.dispose]() {
          if (!isUsed) paid.spend(now(), -1)
          place[Symbol.dispose]()
        },
      }
    },
  }
}
