import { createSingleFlight } from '../../../lib/single-flight.ts'
import { createDialBackJudge, type DialBackJudge, type DialBackJudgeComponents, retryMs } from '../../reach/dial-back-judge.ts'

/**
 * Finds out how this node is reached. It asks peers for dial-backs; when none of them succeeds, it asks relays for
 * reservations. A router that drops packets lets a dial-back wait for its whole time, so a node relies on relays as soon
 * as that takes longer than `patienceMs`. Pure: it owns no timer and no link.
 */
export interface Reachability extends Pick<DialBackJudge, 'state' | 'confirmed' | 'forwarded'> {
  /** Does what is due. Call it every few seconds, at each new link, and when `lateInMs` is over. */
  step(): Promise<void>
  /** Milliseconds until a dial-back will have taken longer than `patienceMs`; undefined when none can. */
  readonly lateInMs: number | undefined
  lost(peerId: string): void
  /** Relays that carry circuits to this node, by peer id. */
  readonly relays: string[]
}

export interface ReachabilityComponents extends DialBackJudgeComponents {
  /** Linked peers that relay. */
  relays(): string[]
  /** @throws Error when the relay refuses */
  reserve(peerId: string): Promise<void>
  /** The state, the confirmed addresses or the relays have changed. */
  onChange(): void
}

/** Milliseconds in which a peer that can dial this node usually has: a dial-back takes about five round trips. */
export const patienceMs = 1_000
/** Reservations that are kept, so that one relay may fail. */
const wantedRelays = 2

export function createReachability(components: ReachabilityComponents): Reachability {
  const { now, relays, reserve, onChange } = components
  const judge = createDialBackJudge(components)
  const reserved = new Set<string>()
  const refusedAt = new Map<string, number>()
  let shown = viewOf('unknown', [], [])

  /** Not above 0 when a dial-back takes longer. */
  function lateInMs(): number | undefined {
    return judge.askedAt === undefined ? undefined : judge.askedAt + patienceMs - now()
  }

  function wantsRelay(): boolean {
    const { state } = judge
    const isLate = (lateInMs() ?? 1) <= 0
    return reserved.size < wantedRelays && (state === 'hidden' || (state === 'unknown' && isLate))
  }

  const finding = createSingleFlight(async () => {
    for (const peerId of relays()) {
      if (!wantsRelay()) return
      if (reserved.has(peerId) || now() - (refusedAt.get(peerId) ?? -retryMs) < retryMs) continue
      try {
        await reserve(peerId)
        reserved.add(peerId)
      } catch {
        refusedAt.set(peerId, now())
      }
    }
  })

  async function findRelays(): Promise<void> {
    await finding.run()
    if (judge.state === 'direct') reserved.clear()
    tellChange()
  }

  function tellChange(): void {
    const view = viewOf(judge.state, judge.confirmed, [...reserved])
    if (view === shown) return
    shown = view
    onChange()
  }

  return {
    async step() {
      const judged = judge.judge()
      await findRelays()
      await judged
      await findRelays()
    },
    forwarded(addresses) {
      judge.forwarded(addresses)
      tellChange()
    },
    lost(peerId) {
      refusedAt.delete(peerId)
      if (reserved.delete(peerId)) tellChange()
    },
    get lateInMs() {
      const ms = judge.state === 'unknown' ? lateInMs() : undefined
      return ms === undefined || ms <= 0 ? undefined : ms
    },
    get state() {
      return judge.state
    },
    get confirmed() {
      return judge.confirmed
    },
    get relays() {
      return [...reserved]
    },
  }
}

/** What others are told of. */
function viewOf(state: Reachability['state'], confirmed: Reachability['confirmed'], relays: string[]): string {
  return JSON.stringify([state, confirmed.map(({ multiaddr }) => multiaddr), relays])
}
