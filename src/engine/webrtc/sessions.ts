import { multiaddr } from '@multiformats/multiaddr'
import { createDeadline } from '../../lib/deadline.ts'
import { createLru } from '../../lib/lru.ts'
import { createShares } from '../../lib/shares.ts'
import { createTokenBucket } from '../../lib/token-bucket.ts'
import type { Limits } from '../../limits.ts'
import type { PunchOutcome } from '../../telemetry/network-metrics.ts'
import type { DialGate } from '../dial/gate.ts'
import type { DialPolicy } from '../dial/policy.ts'
import type { Teller } from '../dial/tellers.ts'
import type { LimitsReached } from '../limits-reached.ts'
import { type Allowance, dialWithin } from '../reach/allowance.ts'
import { type Candidate, maxChecksBytes } from './session-description.ts'

/** Limits the native peer connections that peers can cause, and what each of them sends to. */
export interface Sessions {
  /** Begins one over a relayed connection. @throws Error when there is no place for it */
  begin(relayed: { peerId: string; relayId: string; begunBy: 'peer' | 'own' }): Session
}

/** A peer connection, from its first signal to its end. */
export interface Session {
  /**
   * Has the dial policy, the budget of dials and the allowance of the peer decide whether this node may send to an address
   * that the peer has named over the relayed connection.
   */
  judge(candidate: Pick<Candidate, 'ip' | 'port'>, over: { teller: Teller; allowance: Allowance }, use: () => void): void
  /** The peer is reached at this address; undefined when it is not known. */
  connected(at: { ip: string; port: number } | undefined): void
  /** The peer connection has ended, or could not be made. Without it, one that was connected keeps its place. */
  end(): void
}

/** The holder of this node's own, among the relays. */
const ownKey = 'own'
/** Places of one peer: a page that lost its connection may return before this node has noticed. */
const maxOfPeer = 2
/** The part of the places that peers leave to connections that this node begins. */
const ownShare = 1 / 8
/** Maximum addresses of one peer that are tried: a host with a few networks, in IPv4 and IPv6. */
const maxCandidates = 12
/** Peer connections that are begun: of one peer, of which the most recent ones are counted, and by all peers or this node. */
const ofOne = { perSecond: 1 / 60, burst: 5 }
const ofAll = { perSecond: 2, burst: 30 }
const maxPeers = 1_000

export function createSessions(
  init: { limits: Pick<Limits, 'maxWebrtcConnections' | 'dialTimeoutMs'> },
  components: {
    gate: DialGate
    policy: Pick<DialPolicy, 'told'>
    reached: Pick<LimitsReached, 'note'>
    /** Whether the peer of a session was reached is known. */
    onOutcome(outcome: PunchOutcome): void
    now?: () => number
  },
): Sessions {
  const { maxWebrtcConnections: max, dialTimeoutMs } = init.limits
  const { gate, policy, reached, onOutcome, now = () => performance.now() } = components
  const peers = createShares({ max, maxPerHolder: maxOfPeer })
  // Peer ids cost nothing, and behind a relay nobody sees an address: those of one relay share the places.
  const relays = createShares({ max, exempt: new Set([ownKey]) })
  const maxOfPeers = max - Math.floor(max * ownShare)
  const bucketOf = createLru({ max: maxPeers }, () => createTokenBucket(ofOne))
  const all = { peer: createTokenBucket(ofAll), own: createTokenBucket(ofAll) }

  function takeOfRelay(holder: string): Disposable | undefined {
    const isFull = holder !== ownKey && relays.total - relays.held(ownKey) >= maxOfPeers
    return isFull ? undefined : relays.take(holder)
  }

  function take(peerId: string, relayId: string, begunBy: 'peer' | 'own'): Disposable {
    const ofPeer = peers.take(peerId)
    const ofRelay = ofPeer === undefined ? undefined : takeOfRelay(begunBy === 'own' ? ownKey : relayId)
    const places = new DisposableStack()
    if (ofPeer !== undefined) places.use(ofPeer)
    if (ofRelay === undefined || !bucketOf(peerId).take(now()) || !all[begunBy].take(now())) {
      ofRelay?.[Symbol.dispose]()
      places.dispose()
      reached.note('webrtc')
      throw new Error('the maximum number of WebRTC connections is reached')
    }
    places.use(ofRelay)
    return places
  }

  return {
    begin({ peerId, relayId, begunBy }) {
      const place = take(peerId, relayId, begunBy)
      const deadline = createDeadline(dialTimeoutMs, [])
      const selected = Promise.withResolvers<string | undefined>()
      let candidates = 0
      let isDecided = false

      function decide(outcome: PunchOutcome): void {
        if (!isDecided) onOutcome(outcome)
        isDecided = true
      }

      function end(): void {
        decide('failed')
        deadline[Symbol.dispose]()
        selected.resolve(undefined)
        place[Symbol.dispose]()
      }
      deadline.signal.addEventListener('abort', end)

      return {
        judge({ ip, port }, { teller, allowance }, use) {
          if (++candidates > maxCandidates) return
          const address = `/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}/udp/${port}`
          policy.told([address], teller)
          const connect = async () => {
            use()
            if ((await selected.promise) !== keyOf({ ip, port })) throw new Error('the peer was not reached there')
          }
          const within = () => dialWithin(allowance, maxChecksBytes, connect)
          const attempt = gate.dial(multiaddr(address), deadline.signal, within, { isMutual: true })
          // Refused, or no path: the budget has counted it.
          attempt.catch(() => undefined)
        },
        connected(at) {
          decide('succeeded')
          deadline[Symbol.dispose]()
          selected.resolve(at === undefined ? undefined : keyOf(at))
        },
        end,
      }
    },
  }
}

function keyOf({ ip, port }: { ip: string; port: number }): string {
  return `${ip} ${port}`
}
